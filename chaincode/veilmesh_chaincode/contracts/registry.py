"""Contract `registry`: the consortium, its nodes, the models it agreed on."""

from collections.abc import Mapping

from veilmesh_chaincode.contracts.call import Call, Change, Function, NoRequest, query, update
from veilmesh_chaincode.keys import CONSORTIUM, MEMBERSHIP_PROPOSALS, MODELS, NODE_NAMES, NODES
from veilmesh_chaincode.records.canonical import Json
from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.registry import (
    ApproveModel,
    ChangeMembership,
    Consortium,
    FoundConsortium,
    Model,
    ModelDigest,
    Node,
    NodeId,
    NodeIdentity,
    NodeName,
    RegisterNode,
)
from veilmesh_chaincode.rules import membership, models, nodes


async def found_consortium(call: Call, request: FoundConsortium) -> Change:
    consortium = membership.found(request, call.creator.msp_id, call.founded, call.now_s)
    await call.state.put(CONSORTIUM, consortium)
    members: list[Json] = [*consortium.members]
    return Change(consortium, {"members": members, "version": consortium.version})


async def admit_organisation(call: Call, request: ChangeMembership) -> Change:
    return await _change_membership(call, request, admit=True)


async def expel_organisation(call: Call, request: ChangeMembership) -> Change:
    return await _change_membership(call, request, admit=False)


async def _change_membership(call: Call, request: ChangeMembership, *, admit: bool) -> Change:
    change = membership.vote(
        request.msp_id,
        admit=admit,
        voter=call.creator.msp_id,
        pending=await call.state.find(MEMBERSHIP_PROPOSALS, request.msp_id),
        consortium=call.consortium,
        now_s=call.now_s,
    )
    await call.state.put(MEMBERSHIP_PROPOSALS, change.proposal)
    if change.consortium is not None:
        await call.state.put(CONSORTIUM, change.consortium)
    return Change(change.proposal, {"msp_id": request.msp_id, "carried": change.proposal.carried})


async def get_consortium(call: Call, _: NoRequest) -> Consortium:
    return call.consortium


async def register_node(call: Call, request: RegisterNode) -> Change:
    existing = await call.state.find(NODES, request.node_id)
    name = await call.state.find(NODE_NAMES, call.creator.identity_sha256)
    node = nodes.register(
        request,
        call.creator,
        existing=existing,
        identity_speaks_for=None if name is None else name.node_id,
        consortium=call.consortium,
        now_s=call.now_s,
    )
    if existing is not None and existing.identity_sha256 != node.identity_sha256:
        before = await call.state.get(NODE_NAMES, existing.identity_sha256)
        await call.state.delete(NODE_NAMES, before)
    await call.state.put(NODE_NAMES, NodeName(identity_sha256=node.identity_sha256, node_id=node.node_id))
    return await _store_node(call, node)


async def approve_node(call: Call, request: NodeId) -> Change:
    node = await call.state.get(NODES, request.node_id)
    approved = nodes.approve(node, call.creator.msp_id, consortium=call.consortium, now_s=call.now_s)
    return await _store_node(call, approved)


async def suspend_node(call: Call, request: NodeId) -> Change:
    node = await call.state.get(NODES, request.node_id)
    suspended = nodes.suspend(node, call.creator.msp_id, consortium=call.consortium, now_s=call.now_s)
    return await _store_node(call, suspended)


async def retire_node(call: Call, request: NodeId) -> Change:
    node = await call.state.get(NODES, request.node_id)
    return await _store_node(call, nodes.retire(node, call.creator.msp_id, now_s=call.now_s))


async def _store_node(call: Call, node: Node) -> Change:
    await call.state.put(NODES, node)
    return Change(node, {"node_id": node.node_id, "msp_id": node.msp_id, "status": node.status})


async def get_node(call: Call, request: NodeId) -> Node:
    return await call.state.get(NODES, request.node_id)


async def list_nodes(call: Call, request: PageRequest) -> Page[Node]:
    entries, bookmark = await call.state.page(NODES, limit=request.limit, bookmark=request.bookmark)
    return Page[Node](entries=entries, bookmark=bookmark)


async def node_of_identity(call: Call, request: NodeIdentity) -> Node:
    name = await call.state.get(NODE_NAMES, request.identity_sha256)
    return await call.state.get(NODES, name.node_id)


async def approve_model(call: Call, request: ApproveModel) -> Change:
    model = models.approve(
        request,
        call.creator.msp_id,
        existing=await call.state.find(MODELS, request.model_digest),
        consortium=call.consortium,
        now_s=call.now_s,
    )
    return await _store_model(call, model)


async def retire_model(call: Call, request: ModelDigest) -> Change:
    model = await call.state.get(MODELS, request.model_digest)
    retired = models.retire(model, call.creator.msp_id, consortium=call.consortium, now_s=call.now_s)
    return await _store_model(call, retired)


async def _store_model(call: Call, model: Model) -> Change:
    await call.state.put(MODELS, model)
    return Change(model, {"model_digest": model.model_digest, "status": model.status})


async def get_model(call: Call, request: ModelDigest) -> Model:
    return await call.state.get(MODELS, request.model_digest)


async def list_models(call: Call, request: PageRequest) -> Page[Model]:
    entries, bookmark = await call.state.page(MODELS, limit=request.limit, bookmark=request.bookmark)
    return Page[Model](entries=entries, bookmark=bookmark)


FUNCTIONS: Mapping[str, Function] = {
    "registry:FoundConsortium": update(FoundConsortium, found_consortium),
    "registry:AdmitOrganisation": update(ChangeMembership, admit_organisation),
    "registry:ExpelOrganisation": update(ChangeMembership, expel_organisation),
    "registry:GetConsortium": query(NoRequest, get_consortium),
    "registry:RegisterNode": update(RegisterNode, register_node),
    "registry:ApproveNode": update(NodeId, approve_node),
    "registry:SuspendNode": update(NodeId, suspend_node),
    "registry:RetireNode": update(NodeId, retire_node),
    "registry:GetNode": query(NodeId, get_node),
    "registry:ListNodes": query(PageRequest, list_nodes),
    "registry:NodeOfIdentity": query(NodeIdentity, node_of_identity),
    "registry:ApproveModel": update(ApproveModel, approve_model),
    "registry:RetireModel": update(ModelDigest, retire_model),
    "registry:GetModel": query(ModelDigest, get_model),
    "registry:ListModels": query(PageRequest, list_models),
}
