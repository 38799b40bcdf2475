"""Votes: one an organisation, counted among those that are members now.

A vote stands as long as its organisation has been a member without a break since the vote was cast. A record
that collects votes keeps the version of the consortium under which it last counted them (`cast_under`), and
the consortium keeps the version from which each member is one; so the votes of an expelled organisation are
gone, and stay gone should it be admitted again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from veilmesh_chaincode.records.base import MspId
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Consortium


@dataclass(frozen=True, slots=True)
class Tally:
    votes: list[MspId]  # standing, in the order they were cast
    carried: bool


def standing(votes: Sequence[MspId], cast_under: int, consortium: Consortium) -> list[MspId]:
    """Return the votes that still count."""
    return [
        msp_id
        for msp_id in votes
        if msp_id in consortium.member_since and consortium.member_since[msp_id] <= cast_under
    ]


def is_majority(votes: Collection[MspId], electorate: Collection[MspId]) -> bool:
    """Tell whether more than half of the electorate is among the votes."""
    return 2 * len(votes) > len(electorate)


def cast(
    voter: MspId,
    earlier: Sequence[MspId],
    *,
    cast_under: int,
    consortium: Consortium,
    abstaining: MspId | None = None,
) -> Tally:
    """Add one organisation's vote.

    Voting again is refused, unless the members changed such that the votes already cast now carry: then any
    of those voters may ask for the count.

    Args:
        voter: a current member.
        earlier: the votes cast before, some perhaps by organisations that have left.
        cast_under: the consortium's version when `earlier` was last counted.
        consortium: as it is now.
        abstaining: a member outside the electorate of this vote.

    Raises:
        Refusal: ALREADY_VOTED.
    """
    electorate = [msp_id for msp_id in consortium.members if msp_id != abstaining]
    votes = standing(earlier, cast_under, consortium)
    if voter not in votes:
        votes.append(voter)
    elif not is_majority(votes, electorate):
        raise Refusal(
            RefusalCode.ALREADY_VOTED, f"{voter} has voted: {len(votes)} of {len(electorate)} so far"
        )
    return Tally(votes, carried=is_majority(votes, electorate))
