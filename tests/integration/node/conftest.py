from collections.abc import Iterator

import pytest

from tests.integration.node.live_consortium import LiveConsortium, LiveNode


@pytest.fixture(scope="session")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsortium]:
    """The ledger, and the nodes of org1 and org2, active; org3's is registered and not approved."""
    pytest.importorskip("dlib", reason="the nodes encode faces: install the [faces] extra")
    live = LiveConsortium.found(tmp_path_factory.mktemp("consortium"))
    try:
        live.start_and_approve("org1", "org2")
        live.add_node("org3").start()
        yield live
    finally:
        live.close()


@pytest.fixture(scope="session")
def org1(consortium: LiveConsortium) -> LiveNode:
    return consortium.nodes["org1-node"]


@pytest.fixture(scope="session")
def org2(consortium: LiveConsortium) -> LiveNode:
    return consortium.nodes["org2-node"]


@pytest.fixture(scope="session")
def org3(consortium: LiveConsortium) -> LiveNode:
    return consortium.nodes["org3-node"]
