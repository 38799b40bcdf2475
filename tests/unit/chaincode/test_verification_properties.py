"""Whatever members do at once and in whatever order: the promises of enrolment and authentication hold.

Three organisations, their clocks a few seconds apart, simulate transactions on committed state; each is
committed at once, or later, in any order, perhaps twice. Beside the ledger runs a model that knows nothing of
the contracts' records, only what was committed. What the model holds impossible must not have been committed,
and what the ledger refuses for too many attempts the model must refuse, too.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from veilmesh_chaincode.records.authentication import Authentication as AuthenticationRecord
from veilmesh_chaincode.records.authentication import (
    AuthenticationId,
    AuthenticationStatus,
    ConcludeAuthentication,
    Outcome,
)
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import (
    Reference,
    ReferenceKey,
    ReferenceStatus,
    Renewal,
    RevocationReason,
    RevokeReference,
    ShareReference,
    UpdateReference,
)
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode

from tests.unit.chaincode.consortium import (
    MEMBERS,
    TERMS,
    World,
    complete,
    node_name,
    operator,
    sidecar,
)
from tests.unit.chaincode.memory_ledger import VALID, Transaction

SHORT = TERMS.replace(attempt_limit=2, attempt_window_s=60, lock_out_s=90, authentication_expiry_s=30)

# Most happens between Org2 and one reference of Org1, so that limits are reached.
relying = st.sampled_from(["Org2MSP", "Org2MSP", "Org2MSP", "Org3MSP"])
places = st.sampled_from([0, 0, 0, 1])
ages = st.sampled_from([0, 0, 1, 2, 3])  # of an authentication: 0 is the latest
outcomes = st.sampled_from([Outcome.NO_MATCH] * 3 + [Outcome.MATCH])
skews = st.sampled_from([0, 0, 0, 0, 0, 1, 3, -3])
verbs = st.sampled_from([3] * 8 + [0, 1, 2])  # mostly updates: an ended reference has no more to show
delays = st.sampled_from([False, False, True])
members = st.sampled_from(MEMBERS)


@dataclass(slots=True)
class Pair:
    """What the committed transactions say of one relying organisation and one reference."""

    failures_at_s: list[int] = field(default_factory=list)
    locked_until_s: int = 0
    live: dict[str, int] = field(default_factory=dict)  # authentication -> its expiry

    def used(self, now_s: int) -> int:
        recent = [at_s for at_s in self.failures_at_s if now_s - at_s < SHORT.attempt_window_s]
        return len(recent) + len([expiry for expiry in self.live.values() if now_s < expiry])


@dataclass(frozen=True, slots=True)
class Pending:
    function: str
    msp_id: str
    transaction: Transaction


class Verification(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.limit = 0
        self.policy_version = 1
        self.pairs: dict[tuple[str, str], Pair] = {}
        self.held: dict[str, Reference] = {}  # as last committed by the owner
        self.opened: dict[str, AuthenticationRecord] = {}
        self.ended: set[str] = set()
        self.pending: list[Pending] = []

    @initialize(limit=st.integers(1, 3))
    def establish(self, limit: int) -> None:
        self.limit = limit
        complete(self.world.establish(terms=SHORT.replace(attempt_limit=limit)))
        for msp_id in ("Org1MSP", "Org2MSP"):
            reference = complete(self.world.enrol(msp_id))
            self.held[reference.reference_id] = reference

    # --- transactions are simulated ... -----------------------------------------------------------------

    @rule(msp_id=relying, place=places, skew=skews, delayed=delays)
    def open(self, msp_id: str, place: int, skew: int, delayed: bool) -> None:
        self.begin(msp_id, place, skew, delayed=delayed)

    @rule(msp_id=relying, place=places, outcome=outcomes)
    def try_once(self, msp_id: str, place: int, outcome: Outcome) -> None:
        before = len(self.opened)
        self.begin(msp_id, place, 0, delayed=False)
        if len(self.opened) > before:
            self.end(0, outcome, 0, delayed=False)

    @precondition(lambda self: self.opened)
    @rule(age=ages, outcome=outcomes, skew=skews, delayed=delays)
    def decide(self, age: int, outcome: Outcome, skew: int, delayed: bool) -> None:
        self.end(age, outcome, skew, delayed=delayed)

    def begin(self, msp_id: str, place: int, skew: int, *, delayed: bool) -> None:
        reference_id = [*self.held][place]
        request = self.world.opening(reference_id)
        refusal = self.simulate(msp_id, "authentication:Open", request, skew, delayed=delayed)
        pair, now_s = self.pair(reference_id, msp_id), self.world.now_s + skew
        if refusal is RefusalCode.LOCKED_OUT:
            assert now_s < pair.locked_until_s
        elif refusal is RefusalCode.ATTEMPTS_EXHAUSTED:
            assert pair.used(now_s) >= self.limit

    def end(self, age: int, outcome: Outcome, skew: int, *, delayed: bool) -> None:
        authentication = self.authentication(age)
        owner = self.held[authentication.reference_id].owner_msp_id
        self.conclude(owner, authentication.authentication_id, outcome, skew, delayed=delayed)

    @precondition(lambda self: self.opened)
    @rule(msp_id=members, age=ages, outcome=outcomes)
    def meddle(self, msp_id: str, age: int, outcome: Outcome) -> None:
        self.conclude(msp_id, self.authentication(age).authentication_id, outcome, 0, delayed=False)

    def conclude(
        self, msp_id: str, authentication_id: str, outcome: Outcome, skew: int, *, delayed: bool
    ) -> RefusalCode | None:
        request = ConcludeAuthentication(authentication_id=authentication_id, outcome=outcome)
        return self.simulate(msp_id, "authentication:Conclude", request, skew, delayed=delayed)

    @precondition(lambda self: self.opened)
    @rule(msp_id=relying, age=ages, skew=skews, delayed=delays)
    def cancel(self, msp_id: str, age: int, skew: int, delayed: bool) -> None:
        request = AuthenticationId(authentication_id=self.authentication(age).authentication_id)
        self.simulate(msp_id, "authentication:Cancel", request, skew, delayed=delayed)

    @rule(msp_id=members, place=places, verb=verbs, delayed=delays)
    def change_reference(self, msp_id: str, place: int, verb: int, delayed: bool) -> None:
        held = [*self.held.values()][place]
        fields = {name: getattr(held, name) for name in UpdateReference.model_fields}
        key = held.reference_id
        function, request = (
            ("enrolment:Erase", ReferenceKey(reference_id=key)),
            ("enrolment:Revoke", RevokeReference(reference_id=key, reason=RevocationReason.UNSPECIFIED)),
            ("enrolment:Share", ShareReference(reference_id=key, msp_id="Org3MSP")),
            ("enrolment:Update", UpdateReference(**{**fields, "renewal": Renewal.COMPARED})),
        )[verb]
        refusal = self.simulate(msp_id, function, request, 0, delayed=delayed)
        assert refusal is not None or msp_id == held.owner_msp_id

    def simulate(
        self, msp_id: str, function: str, request: Document, skew: int, *, delayed: bool
    ) -> RefusalCode | None:
        now_s = self.world.now_s + skew
        transaction = complete(self.world.ledger.simulate(sidecar(msp_id), function, request, now_s=now_s))
        refusal = Refusal.from_message(transaction.response.message)
        if refusal is not None:
            assert refusal.code is not RefusalCode.INTERNAL
            return refusal.code
        pending = Pending(function, msp_id, transaction)
        if delayed:
            self.pending.append(pending)
        else:
            self.commit(pending)
        return None

    # --- ... and committed at once, or later ------------------------------------------------------------

    @precondition(lambda self: self.pending)
    @rule(place=st.integers(0, 3), again=st.booleans())
    def commit_later(self, place: int, again: bool) -> None:
        pending = self.pending[place % len(self.pending)]
        self.commit(pending)
        if not again:
            self.pending.remove(pending)

    def commit(self, pending: Pending) -> None:
        ledger, transaction = self.world.ledger, pending.transaction
        if pending.function.startswith("enrolment:"):
            if ledger.commit(transaction, endorsed_by=[pending.msp_id]) == VALID:
                self.committed_change(Reference.from_bytes(transaction.response.payload), pending.msp_id)
        elif ledger.commit(transaction) == VALID:
            record = AuthenticationRecord.from_bytes(transaction.response.payload)
            follow = self.committed_open if record.status is AuthenticationStatus.OPEN else self.committed_end
            follow(record, pending.msp_id, transaction.stub.timestamp_s)

    @rule(seconds=st.sampled_from([1, 1, 10, 30, 60]))
    def time_passes(self, seconds: int) -> None:
        self.world.now_s += seconds

    @rule(limit=st.integers(1, 3))
    def limit_changes(self, limit: int) -> None:
        complete(self.world.adopt(SHORT.replace(attempt_limit=limit), self.policy_version))
        self.policy_version += 1
        self.limit = limit

    # --- the model --------------------------------------------------------------------------------------

    def pair(self, reference_id: str, msp_id: str) -> Pair:
        return self.pairs.setdefault((reference_id, msp_id), Pair())

    def authentication(self, age: int) -> AuthenticationRecord:
        return [*self.opened.values()][-1 - age % len(self.opened)]

    def committed_change(self, after: Reference, msp_id: str) -> None:
        before = self.held[after.reference_id]
        assert msp_id == before.owner_msp_id == after.owner_msp_id
        assert after.updated_at_s >= before.updated_at_s
        self.held[after.reference_id] = after

    def committed_open(self, record: AuthenticationRecord, msp_id: str, now_s: int) -> None:
        held, pair = self.held[record.reference_id], self.pair(record.reference_id, msp_id)
        assert record.relying_node_id == node_name(msp_id)
        assert record.decider_node_id == node_name(held.owner_msp_id)
        assert (held.status, held.version) == (ReferenceStatus.ACTIVE, record.reference_version)
        assert now_s >= pair.locked_until_s, "opened while locked out"
        assert pair.used(now_s) < self.limit, "opened beyond the limit"
        pair.live[record.authentication_id] = record.expires_at_s
        self.opened[record.authentication_id] = record

    def committed_end(self, record: AuthenticationRecord, msp_id: str, now_s: int) -> None:
        opened = self.opened[record.authentication_id]
        held, pair = self.held[opened.reference_id], self.pair(opened.reference_id, opened.relying_msp_id)
        assert record.authentication_id not in self.ended, "ended twice"
        self.ended.add(record.authentication_id)
        assert opened.opened_at_s <= now_s < opened.expires_at_s
        del pair.live[record.authentication_id]
        if record.status is AuthenticationStatus.CANCELLED:
            assert msp_id == opened.relying_msp_id
            return
        assert msp_id == held.owner_msp_id
        assert (held.status, held.version) == (ReferenceStatus.ACTIVE, opened.reference_version)
        if record.outcome is Outcome.MATCH:
            pair.failures_at_s.clear()
            return
        pair.failures_at_s.append(now_s)
        recent = [at_s for at_s in pair.failures_at_s if now_s - at_s < SHORT.attempt_window_s]
        if len(recent) >= self.limit:
            pair.failures_at_s.clear()
            pair.locked_until_s = now_s + SHORT.lock_out_s

    @invariant()
    def references_are_as_their_owners_left_them(self) -> None:
        for reference_id, held in self.held.items():
            request = ReferenceKey(reference_id=reference_id)
            current = complete(self.world.call(operator("Org3MSP"), "enrolment:Get", request, Reference))
            assert current == held


Verification.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestVerification = Verification.TestCase
