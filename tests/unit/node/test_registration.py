"""A node registers itself where the ledger does not know it as it is, and only there."""

from pathlib import Path

import pytest
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Node, NodeId, NodeStatus
from veilmesh_node.errors import LedgerConflictError
from veilmesh_node.registration import ensure_registered

from tests.unit.chaincode.consortium import operator
from tests.unit.node.plugs import MemoryConsortium


async def test_a_known_node_is_left_alone(consortium: MemoryConsortium) -> None:
    org1 = consortium.nodes["Org1MSP"]
    known = len(consortium.world.ledger.tx_ids)
    node = await ensure_registered(org1.ledger, org1.registration())
    assert node.status is NodeStatus.ACTIVE
    assert len(consortium.world.ledger.tx_ids) == known


async def test_new_keys_make_it_pending_again(consortium: MemoryConsortium) -> None:
    org1 = consortium.nodes["Org1MSP"]
    moved = org1.registration().replace(endpoint="127.0.0.2:7443")
    node = await ensure_registered(org1.ledger, moved)
    assert (node.status, node.endpoint) == (NodeStatus.PENDING, "127.0.0.2:7443")


async def test_before_the_founding_it_is_told_to_wait(tmp_path: Path) -> None:
    consortium = MemoryConsortium(tmp_path)
    org1 = consortium.nodes["Org1MSP"]
    with pytest.raises(Refusal) as caught:
        await ensure_registered(org1.ledger, org1.registration())
    assert caught.value.code is RefusalCode.NOT_FOUNDED
    consortium.close()


async def test_a_retired_node_does_not_come_back(consortium: MemoryConsortium) -> None:
    org1 = consortium.nodes["Org1MSP"]
    world = consortium.world
    await world.call(operator("Org1MSP"), "registry:RetireNode", NodeId(node_id=org1.node_id), Node)
    moved = org1.registration().replace(endpoint="127.0.0.2:7443")
    assert (await ensure_registered(org1.ledger, moved)).status is NodeStatus.RETIRED


async def test_collisions_are_tried_anew_for_a_while(consortium: MemoryConsortium) -> None:
    org1 = consortium.nodes["Org1MSP"]
    moved = org1.registration().replace(endpoint="127.0.0.2:7443")
    org1.ledger.collisions = 2
    assert (await ensure_registered(org1.ledger, moved)).endpoint == "127.0.0.2:7443"
    org1.ledger.collisions = 100
    with pytest.raises(LedgerConflictError):
        await ensure_registered(org1.ledger, org1.registration())
