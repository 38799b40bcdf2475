"""What the scenarios share: one consortium on the embedded ledger."""

from collections.abc import Iterator

import pytest

pytest.importorskip("dlib")

from veilmesh_node.demo.consortium import Consortium

from tests.scenario.settled import Settled, settle


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settled]:
    consortium = Consortium(tmp_path_factory.mktemp("consortium"))
    try:
        yield settle(consortium)
    finally:
        consortium.stop()
