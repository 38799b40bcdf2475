"""Contract `enrolment`: biometric references, each changed by its owner alone.

From its registration on, a reference's key carries a key-level endorsement policy that names the owner, so a
change that the owner's own peer did not endorse is no valid transaction, whatever the other peers say. The
`Countersign` written with it keeps the owner from changing it alone.
"""

from collections.abc import Mapping

from veilmesh_chaincode.contracts.call import Call, Change, Function, query, update
from veilmesh_chaincode.contracts.policy import policy_in_force
from veilmesh_chaincode.keys import COUNTERSIGNS, MODELS, REFERENCES, REFERENCES_BY_OWNER
from veilmesh_chaincode.records.base import Bookmark, ReferenceId
from veilmesh_chaincode.records.enrolment import (
    GetHistory,
    HistoryEntry,
    ListReferences,
    Reference,
    ReferenceKey,
    RegisterReference,
    RevokeReference,
    ShareReference,
    UpdateReference,
)
from veilmesh_chaincode.records.pages import Page
from veilmesh_chaincode.records.registry import NodeRole
from veilmesh_chaincode.rules import references


async def register(call: Call, request: RegisterReference) -> Change:
    reference = references.register(
        request,
        node=await call.acting_node(NodeRole.OWNER),
        existing=await call.state.find(REFERENCES, request.reference_id),
        model=await call.state.find(MODELS, request.model_digest),
        policy=await policy_in_force(call),
        now_s=call.now_s,
    )
    await call.state.add_to(REFERENCES_BY_OWNER, reference.owner_msp_id, reference.reference_id)
    change = await _store(call, reference)
    await call.state.require_endorsers(REFERENCES, reference, [reference.owner_msp_id])
    return change


async def update_reference(call: Call, request: UpdateReference) -> Change:
    reference = references.update(
        request,
        node=await call.acting_node(NodeRole.OWNER),
        reference=await countersigned_reference(call, request.reference_id),
        model=await call.state.find(MODELS, request.model_digest),
        policy=await policy_in_force(call),
        now_s=call.now_s,
    )
    return await _store(call, reference)


async def revoke(call: Call, request: RevokeReference) -> Change:
    node = await call.acting_node(NodeRole.OWNER)
    reference = await countersigned_reference(call, request.reference_id)
    return await _store(call, references.revoke(reference, request.reason, node=node, now_s=call.now_s))


async def erase(call: Call, request: ReferenceKey) -> Change:
    node = await call.acting_node(NodeRole.OWNER)
    reference = await countersigned_reference(call, request.reference_id)
    return await _store(call, references.erase(reference, node=node, now_s=call.now_s))


async def share(call: Call, request: ShareReference) -> Change:
    reference = references.share(
        await countersigned_reference(call, request.reference_id),
        request.msp_id,
        node=await call.acting_node(NodeRole.OWNER),
        consortium=call.consortium,
        now_s=call.now_s,
    )
    return await _store(call, reference)


async def _store(call: Call, reference: Reference) -> Change:
    await call.state.put(REFERENCES, reference)
    await call.state.find(COUNTERSIGNS, reference.reference_id)
    await call.state.put(COUNTERSIGNS, references.countersign(reference))
    return Change(
        reference,
        {
            "reference_id": reference.reference_id,
            "owner_msp_id": reference.owner_msp_id,
            "version": reference.version,
            "status": reference.status,
        },
    )


async def countersigned_reference(call: Call, reference_id: ReferenceId) -> Reference:
    """Return a reference that owner and consortium agree on; other contracts ask for it, too.

    Raises:
        Refusal: NOT_FOUND, NOT_COUNTERSIGNED.
    """
    reference = await call.state.get(REFERENCES, reference_id)
    references.check_countersigned(reference, await call.state.find(COUNTERSIGNS, reference_id))
    return reference


async def get(call: Call, request: ReferenceKey) -> Reference:
    return await countersigned_reference(call, request.reference_id)


async def list_references(call: Call, request: ListReferences) -> Page[Reference]:
    entries, bookmark = await call.state.page_of(
        REFERENCES_BY_OWNER,
        request.owner_msp_id,
        REFERENCES,
        limit=request.limit,
        bookmark=request.bookmark,
    )
    await call.state.look_ahead([COUNTERSIGNS.key(reference.reference_id) for reference in entries])
    for reference in entries:
        countersigned = await call.state.find(COUNTERSIGNS, reference.reference_id)
        references.check_countersigned(reference, countersigned)
    return Page[Reference](entries=entries, bookmark=bookmark)


async def history(call: Call, request: GetHistory) -> Page[HistoryEntry]:
    entries, bookmark = await history_page(
        call, request.reference_id, limit=request.limit, bookmark=request.bookmark
    )
    return Page[HistoryEntry](entries=entries, bookmark=bookmark)


async def history_page(
    call: Call, reference_id: ReferenceId, *, limit: int, bookmark: Bookmark
) -> tuple[list[HistoryEntry], Bookmark]:
    """Return states of a reference, newest first, and where the next page begins; `audit` shows them, too."""
    past, following = await call.state.history(REFERENCES, reference_id, limit=limit, bookmark=bookmark)
    return [
        HistoryEntry(tx_id=state.tx_id, at_s=state.at_s, reference=state.record) for state in past
    ], following


FUNCTIONS: Mapping[str, Function] = {
    "enrolment:Register": update(RegisterReference, register),
    "enrolment:Update": update(UpdateReference, update_reference),
    "enrolment:Revoke": update(RevokeReference, revoke),
    "enrolment:Erase": update(ReferenceKey, erase),
    "enrolment:Share": update(ShareReference, share),
    "enrolment:Get": query(ReferenceKey, get),
    "enrolment:List": query(ListReferences, list_references),
    "enrolment:History": query(GetHistory, history),
}
