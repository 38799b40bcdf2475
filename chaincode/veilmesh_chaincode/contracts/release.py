"""Contract `release`: which batches of receipts were anchored, and which releases are to be undone."""

from collections.abc import Mapping

from veilmesh_chaincode.contracts.call import Call, Change, Function, query, update
from veilmesh_chaincode.keys import ANCHORS, NODES, UNSEALINGS
from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.release import Anchor, AnchorBatch, Inclusion, MerkleRoot, VerifyInclusion
from veilmesh_chaincode.records.unsealing import RequestUnsealing, Unsealing, UnsealingId
from veilmesh_chaincode.rules import releases, unsealings


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


async def unseal(call: Call, request: RequestUnsealing) -> Change:
    await call.state.find(UNSEALINGS, call.tx_id)
    unsealing = unsealings.request(
        request,
        call.creator.msp_id,
        call.tx_id,
        keeper=await call.state.get(NODES, request.keeper_node_id),
        consortium=call.consortium,
        now_s=call.now_s,
    )
    return await _store_unsealing(call, unsealing)


async def consent_unsealing(call: Call, request: UnsealingId) -> Change:
    unsealing = await call.state.get(UNSEALINGS, request.unsealing_id)
    consented = unsealings.consent(
        unsealing, call.creator.msp_id, consortium=call.consortium, now_s=call.now_s
    )
    return await _store_unsealing(call, consented)


async def refuse_unsealing(call: Call, request: UnsealingId) -> Change:
    unsealing = await call.state.get(UNSEALINGS, request.unsealing_id)
    return await _store_unsealing(call, unsealings.refuse(unsealing, call.creator.msp_id, now_s=call.now_s))


async def fulfil_unsealing(call: Call, request: UnsealingId) -> Change:
    unsealing = await call.state.get(UNSEALINGS, request.unsealing_id)
    fulfilled = unsealings.fulfil(
        unsealing, await call.acting_node(), consortium=call.consortium, now_s=call.now_s
    )
    return await _store_unsealing(call, fulfilled)


async def _store_unsealing(call: Call, unsealing: Unsealing) -> Change:
    await call.state.put(UNSEALINGS, unsealing)
    return Change(
        unsealing,
        {
            "unsealing_id": unsealing.unsealing_id,
            "node_id": unsealing.keeper_node_id,
            "status": unsealing.status,
        },
    )


async def get_unsealing(call: Call, request: UnsealingId) -> Unsealing:
    return await call.state.get(UNSEALINGS, request.unsealing_id)


async def list_unsealings(call: Call, request: PageRequest) -> Page[Unsealing]:
    entries, bookmark = await call.state.page(UNSEALINGS, limit=request.limit, bookmark=request.bookmark)
    return Page[Unsealing](entries=entries, bookmark=bookmark)


FUNCTIONS: Mapping[str, Function] = {
    "release:Anchor": update(AnchorBatch, anchor),
    "release:GetAnchor": query(MerkleRoot, get_anchor),
    "release:Verify": query(VerifyInclusion, verify),
    "release:Unseal": update(RequestUnsealing, unseal),
    "release:ConsentUnsealing": update(UnsealingId, consent_unsealing),
    "release:RefuseUnsealing": update(UnsealingId, refuse_unsealing),
    "release:FulfilUnsealing": update(UnsealingId, fulfil_unsealing),
    "release:GetUnsealing": query(UnsealingId, get_unsealing),
    "release:ListUnsealings": query(PageRequest, list_unsealings),
}
