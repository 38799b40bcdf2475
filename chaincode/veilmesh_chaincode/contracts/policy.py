"""Contract `policy`: the consortium's terms, proposed and voted in."""

from collections.abc import Mapping

from veilmesh_chaincode.contracts.call import Call, Change, Function, NoRequest, query, update
from veilmesh_chaincode.keys import CURRENT_POLICY, POLICIES, POLICY_PROPOSALS, policy_number
from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.policy import (
    CurrentPolicy,
    Policy,
    PolicyProposal,
    ProposalId,
    ProposePolicy,
    VotePolicy,
)
from veilmesh_chaincode.rules import policies


async def propose(call: Call, request: ProposePolicy) -> Change:
    await call.state.find(POLICY_PROPOSALS, call.tx_id)
    decision = policies.propose(
        request,
        call.creator.msp_id,
        call.tx_id,
        current_version=await _current_version(call),
        consortium=call.consortium,
        now_s=call.now_s,
    )
    return await _store(call, decision)


async def vote(call: Call, request: VotePolicy) -> Change:
    decision = policies.vote(
        await call.state.get(POLICY_PROPOSALS, request.proposal_id),
        call.creator.msp_id,
        approve=request.approve,
        current_version=await _current_version(call),
        consortium=call.consortium,
        now_s=call.now_s,
    )
    return await _store(call, decision)


async def _current_version(call: Call) -> int:
    current = await call.state.find(CURRENT_POLICY)
    return 0 if current is None else current.version


async def _store(call: Call, decision: policies.Decision) -> Change:
    proposal, policy = decision.proposal, decision.policy
    await call.state.put(POLICY_PROPOSALS, proposal)
    if policy is not None:
        await call.state.find(POLICIES, policy_number(policy.version))
        await call.state.put(POLICIES, policy)
        await call.state.put(CURRENT_POLICY, CurrentPolicy(version=policy.version, updated_at_s=call.now_s))
    return Change(
        proposal,
        {
            "proposal_id": proposal.proposal_id,
            "status": proposal.status,
            "version": None if policy is None else policy.version,
        },
    )


async def policy_in_force(call: Call) -> Policy:
    """Return the policy in force; other contracts ask for it, too.

    Raises:
        Refusal: NO_POLICY.
    """
    current = await call.state.find(CURRENT_POLICY)
    policy = None if current is None else await call.state.find(POLICIES, policy_number(current.version))
    return policies.check_in_force(policy)


async def current(call: Call, _: NoRequest) -> Policy:
    return await policy_in_force(call)


async def get_proposal(call: Call, request: ProposalId) -> PolicyProposal:
    return await call.state.get(POLICY_PROPOSALS, request.proposal_id)


async def history(call: Call, request: PageRequest) -> Page[Policy]:
    entries, bookmark = await call.state.page(POLICIES, limit=request.limit, bookmark=request.bookmark)
    return Page[Policy](entries=entries, bookmark=bookmark)


FUNCTIONS: Mapping[str, Function] = {
    "policy:Propose": update(ProposePolicy, propose),
    "policy:Vote": update(VotePolicy, vote),
    "policy:Current": query(NoRequest, current),
    "policy:GetProposal": query(ProposalId, get_proposal),
    "policy:History": query(PageRequest, history),
}
