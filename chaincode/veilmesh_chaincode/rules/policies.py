"""The consortium's policy: proposed against the one in force, adopted or rejected by majority."""

from dataclasses import dataclass

from veilmesh_chaincode.records.base import MspId, TxId
from veilmesh_chaincode.records.policy import Policy, PolicyProposal, ProposalStatus, ProposePolicy
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Consortium
from veilmesh_chaincode.rules import votes


@dataclass(frozen=True, slots=True)
class Decision:
    proposal: PolicyProposal
    policy: Policy | None  # the new one, where the proposal was adopted


def propose(
    request: ProposePolicy,
    proposer: MspId,
    tx_id: TxId,
    *,
    current_version: int,
    consortium: Consortium,
    now_s: int,
) -> Decision:
    """Put terms to the vote, with the proposer's approval.

    Args:
        request: the terms, and the version they would replace.
        proposer: a current member.
        tx_id: the transaction; names the proposal.
        current_version: of the policy in force; 0 for none.
        consortium: as it is now.
        now_s: the transaction's time.

    Raises:
        Refusal: STALE_PROPOSAL, another version is in force.
    """
    proposal = PolicyProposal(
        proposal_id=tx_id,
        base_version=request.base_version,
        terms=request.terms,
        proposer=proposer,
        approvals=[],
        rejections=[],
        consortium_version=consortium.version,
        status=ProposalStatus.OPEN,
        opened_at_s=now_s,
        updated_at_s=now_s,
    )
    return vote(
        proposal,
        proposer,
        approve=True,
        current_version=current_version,
        consortium=consortium,
        now_s=now_s,
    )


def vote(
    proposal: PolicyProposal,
    voter: MspId,
    *,
    approve: bool,
    current_version: int,
    consortium: Consortium,
    now_s: int,
) -> Decision:
    """Cast one member's vote: a majority adopts, and what no majority can carry any more is rejected.

    Voting again is refused, unless the members changed such that the votes already cast now decide.

    Raises:
        Refusal: STALE_PROPOSAL, it is decided, or the policy it would replace is no longer in force;
            ALREADY_VOTED.
    """
    if proposal.status is not ProposalStatus.OPEN:
        raise Refusal(RefusalCode.STALE_PROPOSAL, f"proposal {proposal.proposal_id} is {proposal.status}")
    if proposal.base_version != current_version:
        raise Refusal(
            RefusalCode.STALE_PROPOSAL,
            f"the proposal is to replace version {proposal.base_version}; in force is {current_version}",
        )
    approvals = votes.standing(proposal.approvals, proposal.consortium_version, consortium)
    rejections = votes.standing(proposal.rejections, proposal.consortium_version, consortium)
    is_new = voter not in approvals and voter not in rejections
    if is_new:
        (approvals if approve else rejections).append(voter)
    status = _status(approvals, rejections, consortium)
    if status is ProposalStatus.OPEN and not is_new:
        raise Refusal(RefusalCode.ALREADY_VOTED, f"{voter} has voted on proposal {proposal.proposal_id}")
    decided = proposal.replace(
        approvals=approvals,
        rejections=rejections,
        consortium_version=consortium.version,
        status=status,
        updated_at_s=now_s,
    )
    return Decision(decided, _policy(decided, now_s) if status is ProposalStatus.ADOPTED else None)


def check_in_force(policy: Policy | None) -> Policy:
    """Return the policy in force.

    Raises:
        Refusal: NO_POLICY.
    """
    if policy is None:
        raise Refusal(RefusalCode.NO_POLICY, "the consortium has no policy yet")
    return policy


def _status(approvals: list[MspId], rejections: list[MspId], consortium: Consortium) -> ProposalStatus:
    if votes.is_majority(approvals, consortium.members):
        return ProposalStatus.ADOPTED
    still_possible = [member for member in consortium.members if member not in rejections]
    if not votes.is_majority(still_possible, consortium.members):
        return ProposalStatus.REJECTED
    return ProposalStatus.OPEN


def _policy(proposal: PolicyProposal, now_s: int) -> Policy:
    return Policy(
        version=proposal.base_version + 1,
        terms=proposal.terms,
        proposal_id=proposal.proposal_id,
        approvals=proposal.approvals,
        in_force_at_s=now_s,
    )
