from collections.abc import Iterator

import pytest

from tests.integration.node.live_consortium import LiveConsortium


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsortium]:
    """The ledger, and the nodes of org1 and org2, active. Tests leave the nodes up, or restart them."""
    pytest.importorskip("dlib", reason="the nodes encode faces: install the [faces] extra")
    live = LiveConsortium.found(tmp_path_factory.mktemp("consortium"))
    try:
        live.start_and_approve("org1", "org2")
        yield live
    finally:
        live.close()
