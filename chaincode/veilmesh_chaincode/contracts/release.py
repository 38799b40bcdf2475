"""Contract `release`: which batches of privacy receipts were anchored, and what is in them."""

from collections.abc import Mapping

from veilmesh_chaincode.contracts.call import Call, Change, Function, query, update
from veilmesh_chaincode.keys import ANCHORS
from veilmesh_chaincode.records.release import Anchor, AnchorBatch, Inclusion, MerkleRoot, VerifyInclusion
from veilmesh_chaincode.rules import releases


async def anchor(call: Call, request: AnchorBatch) -> Change:
    anchored = releases.anchor(
        request,
        call.tx_id,
        node=await call.acting_node(),
        existing=await call.state.find(ANCHORS, request.merkle_root),
        now_s=call.now_s,
    )
    await call.state.put(ANCHORS, anchored)
    return Change(anchored, {"merkle_root": anchored.merkle_root, "node_id": anchored.node_id})


async def get_anchor(call: Call, request: MerkleRoot) -> Anchor:
    return await call.state.get(ANCHORS, request.merkle_root)


async def verify(call: Call, request: VerifyInclusion) -> Inclusion:
    anchored = await call.state.get(ANCHORS, request.merkle_root)
    return Inclusion(included=releases.is_included(request, anchored), anchor=anchored)


FUNCTIONS: Mapping[str, Function] = {
    "release:Anchor": update(AnchorBatch, anchor),
    "release:GetAnchor": query(MerkleRoot, get_anchor),
    "release:Verify": query(VerifyInclusion, verify),
}
