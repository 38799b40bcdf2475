"""Majorities follow the members: whoever comes, goes and comes back, only standing votes of members carry.

The model gives every admission a number of its own; a vote stands while its voter's number is the one it was
cast under.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from veilmesh_chaincode.records.policy import PolicyProposal, ProposalStatus
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Consortium, NodeStatus

from tests.unit.chaincode.consortium import World, complete, node_name, operator

ALL = tuple(f"Org{number}MSP" for number in range(1, 7))
FOUNDERS = ALL[:4]

organisations = st.sampled_from(ALL)
Value = TypeVar("Value")


@dataclass(slots=True)
class Ballot:
    """Who voted, and which admission of theirs the vote belongs to."""

    votes: dict[str, int] = field(default_factory=dict)

    def standing(self, admissions: dict[str, int]) -> set[str]:
        return {msp_id for msp_id, number in self.votes.items() if admissions.get(msp_id) == number}


class Membership(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.admissions: dict[str, int] = {}
        self.admitted = 0
        self.changes: dict[str, Ballot] = {}
        self.nodes: dict[str, Ballot] = {}
        self.suspensions: dict[str, Ballot] = {}
        self.statuses: dict[str, NodeStatus] = {}
        self.proposal: PolicyProposal | None = None
        self.for_it = Ballot()
        self.against_it = Ballot()
        self.policy_version = 0

    @initialize()
    def found(self) -> None:
        complete(self.world.found(FOUNDERS))
        for msp_id in FOUNDERS:
            self.admit_to_model(msp_id)

    def admit_to_model(self, msp_id: str) -> None:
        self.admitted += 1
        self.admissions[msp_id] = self.admitted

    def carries(self, ballot: Ballot, without: str = "") -> bool:
        electorate = set(self.admissions) - {without}
        return 2 * len(ballot.standing(self.admissions) & electorate) > len(electorate)

    def cast(
        self, voter: str, ballot: Ballot, call: Callable[[], Coroutine[Any, Any, Value]], without: str = ""
    ) -> Value | None:
        """Cast a vote on the ledger and in the model; None where the ledger rightly refuses."""
        if voter not in self.admissions:
            assert self.refused(call) is RefusalCode.ACCESS_DENIED
            return None
        if voter in ballot.standing(self.admissions) and not self.carries(ballot, without):
            assert self.refused(call) is RefusalCode.ALREADY_VOTED
            return None
        ballot.votes[voter] = self.admissions[voter]
        return complete(call())

    @staticmethod
    def refused(call: Callable[[], Coroutine[Any, Any, object]]) -> RefusalCode:
        try:
            complete(call())
        except Refusal as refusal:
            return refusal.code
        raise AssertionError("not refused")

    @rule(msp_id=organisations, voter=organisations)
    def change_membership(self, msp_id: str, voter: str) -> None:
        admit = msp_id not in self.admissions
        if not admit and len(self.admissions) == 1:
            return
        vote = self.world.admit if admit else self.world.expel
        ballot = self.changes.setdefault(msp_id, Ballot())
        proposal = self.cast(voter, ballot, lambda: vote(msp_id, voter))
        if proposal is None:
            return
        assert proposal.carried == self.carries(ballot)
        assert set(proposal.approvals) == ballot.standing(self.admissions)
        if proposal.carried:
            del self.changes[msp_id]
            if admit:
                self.admit_to_model(msp_id)
            else:
                del self.admissions[msp_id]

    @rule(msp_id=organisations)
    def register_node(self, msp_id: str) -> None:
        if msp_id in self.admissions:
            complete(self.world.register_node(msp_id))
            self.statuses[msp_id] = NodeStatus.PENDING
            self.nodes[msp_id], self.suspensions[msp_id] = Ballot(), Ballot()

    @rule(msp_id=organisations, voter=organisations)
    def approve_node(self, msp_id: str, voter: str) -> None:
        if self.statuses.get(msp_id) is not NodeStatus.PENDING or msp_id not in self.admissions:
            return
        ballot = self.nodes[msp_id]
        node = self.cast(voter, ballot, lambda: self.world.approve_node(node_name(msp_id), voter))
        if node is not None:
            self.statuses[msp_id] = node.status
            assert (node.status is NodeStatus.ACTIVE) == self.carries(ballot)

    @rule(msp_id=organisations, voter=organisations)
    def suspend_node(self, msp_id: str, voter: str) -> None:
        if self.statuses.get(msp_id) not in (NodeStatus.PENDING, NodeStatus.ACTIVE) or voter == msp_id:
            return
        ballot = self.suspensions[msp_id]
        node = self.cast(
            voter, ballot, lambda: self.world.suspend_node(node_name(msp_id), voter), without=msp_id
        )
        if node is not None:
            assert (node.status is NodeStatus.SUSPENDED) == self.carries(ballot, without=msp_id)
            if node.status is not NodeStatus.SUSPENDED:
                assert set(node.approvals) == self.nodes[msp_id].standing(self.admissions)
            self.statuses[msp_id] = node.status

    @precondition(lambda self: self.proposal is None)
    @rule(voter=organisations)
    def propose_policy(self, voter: str) -> None:
        if voter in self.admissions:
            self.for_it, self.against_it = Ballot({voter: self.admissions[voter]}), Ballot()
            self.settle(complete(self.world.propose(voter, self.policy_version)))

    @precondition(lambda self: self.proposal is not None)
    @rule(voter=organisations, approve=st.booleans())
    def vote_on_policy(self, voter: str, approve: bool) -> None:
        assert self.proposal is not None
        proposal_id = self.proposal.proposal_id
        if voter not in self.admissions:
            return
        has_voted = voter in self.for_it.standing(self.admissions) | self.against_it.standing(self.admissions)
        if has_voted and self.expected_status() is ProposalStatus.OPEN:
            code = self.refused(lambda: self.world.vote(voter, proposal_id, approve=approve))
            assert code is RefusalCode.ALREADY_VOTED
            return
        if not has_voted:
            (self.for_it if approve else self.against_it).votes[voter] = self.admissions[voter]
        self.settle(complete(self.world.vote(voter, proposal_id, approve=approve)))

    def settle(self, proposal: PolicyProposal) -> None:
        assert proposal.status is self.expected_status()
        assert set(proposal.approvals) == self.for_it.standing(self.admissions)
        assert set(proposal.rejections) == self.against_it.standing(self.admissions)
        self.proposal = proposal if proposal.status is ProposalStatus.OPEN else None
        self.policy_version += proposal.status is ProposalStatus.ADOPTED

    def expected_status(self) -> ProposalStatus:
        if self.carries(self.for_it):
            return ProposalStatus.ADOPTED
        possible = len(self.admissions) - len(self.against_it.standing(self.admissions))
        return ProposalStatus.OPEN if 2 * possible > len(self.admissions) else ProposalStatus.REJECTED

    @invariant()
    def members_are_those_of_the_model(self) -> None:
        if self.admissions:
            reader = operator(min(self.admissions))
            consortium = complete(self.world.call(reader, "registry:GetConsortium", None, Consortium))
            assert consortium.members == sorted(self.admissions)
            assert set(consortium.member_since) == set(self.admissions)


Membership.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestMembership = Membership.TestCase
