from veilmesh_chaincode.records.merkle import MerkleTree, leaf_hash
from veilmesh_chaincode.records.refusals import RefusalCode
from veilmesh_chaincode.records.registry import NodeRole
from veilmesh_chaincode.records.release import Anchor, AnchorBatch, Inclusion, MerkleRoot, VerifyInclusion

from tests.unit.chaincode.consortium import World, digest, identity, node_name, operator, sidecar
from tests.unit.chaincode.refusing import refuses

RECEIPTS = [f"receipt {number}".encode() for number in range(11)]
TREE = MerkleTree([leaf_hash(receipt) for receipt in RECEIPTS])
BATCH = AnchorBatch(merkle_root=TREE.root.hex(), leaf_count=len(TREE))


async def verify(world: World, receipt: bytes, index: int) -> Inclusion:
    request = VerifyInclusion(
        merkle_root=BATCH.merkle_root,
        leaf_hash=leaf_hash(receipt).hex(),
        leaf_index=index,
        proof=[sibling.hex() for sibling in TREE.inclusion_proof(min(index, 10))],
    )
    return await world.call(identity("AuditMSP", "auditor"), "release:Verify", request, Inclusion)


async def test_every_receipt_of_an_anchored_batch_is_included(world: World) -> None:
    anchor = await world.call(sidecar("Org1MSP"), "release:Anchor", BATCH, Anchor)
    assert (anchor.node_id, anchor.leaf_count) == (node_name("Org1MSP"), 11)
    for index, receipt in enumerate(RECEIPTS):
        inclusion = await verify(world, receipt, index)
        assert inclusion.included
        assert inclusion.anchor == anchor
    assert not (await verify(world, b"forged", 3)).included
    assert not (await verify(world, RECEIPTS[3], 4)).included
    assert not (await verify(world, RECEIPTS[10], 11)).included


async def test_a_batch_is_anchored_once(world: World) -> None:
    await world.call(sidecar("Org1MSP"), "release:Anchor", BATCH, Anchor)
    with refuses(RefusalCode.ALREADY_EXISTS):
        await world.call(sidecar("Org2MSP"), "release:Anchor", BATCH, Anchor)


async def test_any_active_node_anchors(world: World) -> None:
    await world.add_node("Org1MSP", 2, [NodeRole.WORKER])
    await world.call(sidecar("Org1MSP", 2), "release:Anchor", BATCH, Anchor)
    await world.suspend_node(node_name("Org2MSP"), "Org2MSP")
    with refuses(RefusalCode.NODE_NOT_ACTIVE):
        await world.call(
            sidecar("Org2MSP"),
            "release:Anchor",
            AnchorBatch(merkle_root=digest("root"), leaf_count=1),
            Anchor,
        )


async def test_an_unknown_batch(world: World) -> None:
    with refuses(RefusalCode.NOT_FOUND):
        await verify(world, RECEIPTS[0], 0)
    with refuses(RefusalCode.NOT_FOUND):
        request = MerkleRoot(merkle_root=BATCH.merkle_root)
        await world.call(operator("Org1MSP"), "release:GetAnchor", request, Anchor)
