"""Contract `authentication`: one verification across organisations, from the claim to the decision."""

from collections.abc import Mapping

from veilmesh_chaincode.contracts.call import Call, Change, Function, query, update
from veilmesh_chaincode.contracts.enrolment import countersigned_reference
from veilmesh_chaincode.contracts.policy import policy_in_force
from veilmesh_chaincode.keys import (
    ATTEMPTS,
    AUTHENTICATIONS,
    AUTHENTICATIONS_BY_REFERENCE,
    MODELS,
    NODES,
)
from veilmesh_chaincode.records.authentication import (
    Attempts,
    AttemptsKey,
    Authentication,
    AuthenticationId,
    ConcludeAuthentication,
    ListAuthentications,
    OpenAuthentication,
)
from veilmesh_chaincode.records.pages import Page
from veilmesh_chaincode.records.registry import NodeRole
from veilmesh_chaincode.rules import authentications


async def open_(call: Call, request: OpenAuthentication) -> Change:
    relying = await call.acting_node(NodeRole.RELYING)
    reference = await countersigned_reference(call, request.reference_id)
    await call.state.find(AUTHENTICATIONS, call.tx_id)
    step = authentications.open_(
        request,
        call.tx_id,
        relying=relying,
        reference=reference,
        decider=await call.state.get(NODES, reference.owner_node_id),
        model=await call.state.find(MODELS, request.model_digest),
        policy=await policy_in_force(call),
        attempts=await call.state.find(ATTEMPTS, reference.reference_id, relying.msp_id),
        consortium=call.consortium,
        now_s=call.now_s,
    )
    await call.state.add_to(AUTHENTICATIONS_BY_REFERENCE, reference.reference_id, call.tx_id)
    return await _store(call, step)


async def conclude(call: Call, request: ConcludeAuthentication) -> Change:
    decider = await call.acting_node(NodeRole.DECIDER)
    authentication = await call.state.get(AUTHENTICATIONS, request.authentication_id)
    step = authentications.conclude(
        authentication,
        request.outcome,
        decider=decider,
        relying=await call.state.get(NODES, authentication.relying_node_id),
        reference=await countersigned_reference(call, authentication.reference_id),
        policy=await policy_in_force(call),
        attempts=await _attempts_of(call, authentication),
        consortium=call.consortium,
        now_s=call.now_s,
    )
    return await _store(call, step)


async def cancel(call: Call, request: AuthenticationId) -> Change:
    node = await call.acting_node(NodeRole.RELYING)
    authentication = await call.state.get(AUTHENTICATIONS, request.authentication_id)
    step = authentications.cancel(
        authentication, node=node, attempts=await _attempts_of(call, authentication), now_s=call.now_s
    )
    return await _store(call, step)


async def _attempts_of(call: Call, authentication: Authentication) -> Attempts:
    return await call.state.get(ATTEMPTS, authentication.reference_id, authentication.relying_msp_id)


async def _store(call: Call, step: authentications.Step) -> Change:
    authentication = step.authentication
    await call.state.put(AUTHENTICATIONS, authentication)
    await call.state.put(ATTEMPTS, step.attempts)
    return Change(
        authentication,
        {
            "authentication_id": authentication.authentication_id,
            "reference_id": authentication.reference_id,
            "relying_node_id": authentication.relying_node_id,
            "decider_node_id": authentication.decider_node_id,
            "status": authentication.status,
        },
    )


async def get(call: Call, request: AuthenticationId) -> Authentication:
    return await call.state.get(AUTHENTICATIONS, request.authentication_id)


async def list_authentications(call: Call, request: ListAuthentications) -> Page[Authentication]:
    entries, bookmark = await call.state.page_of(
        AUTHENTICATIONS_BY_REFERENCE,
        request.reference_id,
        AUTHENTICATIONS,
        limit=request.limit,
        bookmark=request.bookmark,
    )
    return Page[Authentication](entries=entries, bookmark=bookmark)


async def attempts(call: Call, request: AttemptsKey) -> Attempts:
    return await call.state.get(ATTEMPTS, request.reference_id, request.relying_msp_id)


FUNCTIONS: Mapping[str, Function] = {
    "authentication:Open": update(OpenAuthentication, open_),
    "authentication:Conclude": update(ConcludeAuthentication, conclude),
    "authentication:Cancel": update(AuthenticationId, cancel),
    "authentication:Get": query(AuthenticationId, get),
    "authentication:List": query(ListAuthentications, list_authentications),
    "authentication:Attempts": query(AttemptsKey, attempts),
}
