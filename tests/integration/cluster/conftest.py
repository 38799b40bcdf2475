from collections.abc import Iterator

import pytest

from tests.integration.cluster.local_cluster import Workers
from tests.integration.node.live_consortium import LiveConsortium


@pytest.fixture(scope="session")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """A consortium on the embedded ledger, whose nodes may become workers."""
    consortium = LiveConsortium.found(tmp_path_factory.mktemp("consortium"))
    try:
        yield Workers(consortium)
    finally:
        consortium.close()
