"""`kill -9` of a node in mid-submit, on a real network: before a transaction is sent, after its commit."""

from collections.abc import Iterator

import pytest
from veilmesh.v1 import node_pb2
from veilmesh_network.running import up

from tests.fabric_network import free_first_port, require_binaries
from tests.faults.node.crashes import die_in_call, owned, restart, started
from tests.integration.node.live_consortium import LiveConsortium, LiveNode, portrait

POINTS = [
    "enrol:endorsed:after",  # the journal holds the signed transaction; nothing was sent
    "enrol:registered:before",  # the ledger has committed it; the journal does not know
    "enrol:anchoring:after",
]

pytestmark = [pytest.mark.fabric, pytest.mark.faces, pytest.mark.slow]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    pytest.importorskip("dlib", reason="the nodes encode faces: install the [faces] extra")
    require_binaries()
    folder = tmp_path_factory.mktemp("consortium")
    network = up(folder / "network", fabric=True, port=free_first_port()).network
    consortium = LiveConsortium.found_on(network, folder)
    try:
        (first,) = consortium.start_and_approve("org1")
        yield started(first)
    finally:
        consortium.close()


@pytest.mark.parametrize("point", POINTS)
async def test_a_node_killed_in_mid_submit(node: LiveNode, point: str) -> None:
    before = await owned(node)
    request = node_pb2.EnrolRequest(photos=[portrait()], idempotency_key=point)
    await die_in_call(node, point, "Enrol", request)
    await restart(node)
    response = await node.call("Enrol", request)
    after = await owned(node)
    assert after.keys() - before.keys() == {response.reference.reference_id}
