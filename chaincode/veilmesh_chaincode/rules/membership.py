"""Founding the consortium, and changing who belongs to it."""

from dataclasses import dataclass

from veilmesh_chaincode.records.base import MspId
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import MAX_MEMBERS, Consortium, FoundConsortium, MembershipProposal
from veilmesh_chaincode.rules import votes


def found(request: FoundConsortium, founder: MspId, existing: Consortium | None, now_s: int) -> Consortium:
    """Found the consortium, once.

    Raises:
        Refusal: ALREADY_EXISTS; NOT_A_MEMBER, the founder left its own organisation out; MALFORMED, an
            organisation is both member and auditor.
    """
    if existing is not None:
        raise Refusal(RefusalCode.ALREADY_EXISTS, "the consortium is founded already")
    if founder not in request.members:
        raise Refusal(RefusalCode.NOT_A_MEMBER, f"the founder {founder} is not among the members")
    if both := sorted(set(request.members) & set(request.auditors)):
        raise Refusal(RefusalCode.MALFORMED, f"both member and auditor: {', '.join(both)}")
    return Consortium(
        members=sorted(request.members),
        auditors=sorted(request.auditors),
        version=1,
        member_since=dict.fromkeys(sorted(request.members), 1),
        updated_at_s=now_s,
    )


@dataclass(frozen=True, slots=True)
class MembershipChange:
    proposal: MembershipProposal
    consortium: Consortium | None  # the new one, where the vote carried


def vote(
    msp_id: MspId,
    *,
    admit: bool,
    voter: MspId,
    pending: MembershipProposal | None,
    consortium: Consortium,
    now_s: int,
) -> MembershipChange:
    """Cast one member's vote to admit or to expel `msp_id`; the first vote opens the matter.

    Args:
        msp_id: the organisation to admit or expel. It votes like any member, on itself too.
        admit: or expel.
        voter: a current member.
        pending: the last vote on this organisation, closed or not.
        consortium: as it is now.
        now_s: the transaction's time.

    Raises:
        Refusal: ALREADY_EXISTS, NOT_A_MEMBER, MEMBERSHIP_LIMIT, ALREADY_VOTED.
    """
    _check_change(msp_id, admit=admit, consortium=consortium)
    if pending is None or pending.carried or pending.admit is not admit:
        pending = MembershipProposal(
            msp_id=msp_id,
            admit=admit,
            approvals=[],
            consortium_version=consortium.version,
            carried=False,
            opened_at_s=now_s,
            updated_at_s=now_s,
        )
    tally = votes.cast(voter, pending.approvals, cast_under=pending.consortium_version, consortium=consortium)
    proposal = pending.replace(
        approvals=tally.votes,
        consortium_version=consortium.version,
        carried=tally.carried,
        updated_at_s=now_s,
    )
    if not tally.carried:
        return MembershipChange(proposal, None)
    return MembershipChange(proposal, _changed(consortium, msp_id, admit=admit, now_s=now_s))


def _check_change(msp_id: MspId, *, admit: bool, consortium: Consortium) -> None:
    count = len(consortium.members)
    if admit and msp_id in consortium.members:
        raise Refusal(RefusalCode.ALREADY_EXISTS, f"{msp_id} is a member already")
    if admit and msp_id in consortium.auditors:
        raise Refusal(RefusalCode.ALREADY_EXISTS, f"{msp_id} is an auditor, and an auditor does not vote")
    if admit and count == MAX_MEMBERS:
        raise Refusal(RefusalCode.MEMBERSHIP_LIMIT, f"the consortium has {count} members, as many as it may")
    if not admit and msp_id not in consortium.members:
        raise Refusal(RefusalCode.NOT_A_MEMBER, f"{msp_id} is not a member")
    if not admit and count == 1:
        raise Refusal(RefusalCode.MEMBERSHIP_LIMIT, f"{msp_id} is the last member")


def _changed(consortium: Consortium, msp_id: MspId, *, admit: bool, now_s: int) -> Consortium:
    version = consortium.version + 1
    since = {member: since for member, since in consortium.member_since.items() if member != msp_id}
    if admit:
        since[msp_id] = version
    return consortium.replace(members=sorted(since), version=version, member_since=since, updated_at_s=now_s)
