"""Whatever members do at once and in whatever order: the promises of enrolment and authentication hold.

The machine lets three organisations simulate transactions on committed state, with clocks a few seconds
apart, and commits them later, in any order, some twice. Beside it runs a model that knows nothing of the
contracts' records: only what was committed. What the model holds impossible must not have been committed, and
what the ledger refuses for too many attempts the model must refuse, too.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
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
    digest,
    node_name,
    operator,
    sidecar,
)
from tests.unit.chaincode.memory_ledger import VALID, Transaction

SHORT = TERMS.replace(attempt_limit=2, attempt_window_s=60, lock_out_s=90, authentication_expiry_s=30)

members = st.sampled_from(MEMBERS)
skews = st.integers(-3, 3)
outcomes = st.sampled_from(Outcome)


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


Kept = Pending | MultipleResults[Pending]


class Verification(RuleBasedStateMachine):
    pending: Bundle[Pending] = Bundle("pending")
    references: Bundle[str] = Bundle("references")
    authentications: Bundle[str] = Bundle("authentications")

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.limit = SHORT.attempt_limit
        self.policy_version = 1
        self.pairs: dict[tuple[str, str], Pair] = {}
        self.held: dict[str, Reference] = {}  # as last committed by the owner
        self.opened: dict[str, AuthenticationRecord] = {}
        self.ended: set[str] = set()

    @initialize(target=references)
    def establish(self) -> MultipleResults[str]:
        complete(self.world.establish(terms=SHORT))
        for msp_id in ("Org1MSP", "Org1MSP", "Org2MSP"):
            reference = complete(self.world.enrol(msp_id))
            self.held[reference.reference_id] = reference
        return multiple(*self.held)

    # --- transactions are simulated ... -----------------------------------------------------------------

    def simulate(self, msp_id: str, function: str, request: Document, skew: int) -> Pending | Refusal:
        now_s = self.world.now_s + skew
        transaction = complete(self.world.ledger.simulate(sidecar(msp_id), function, request, now_s=now_s))
        if transaction.response.status < 400:
            return Pending(function, msp_id, transaction)
        refusal = Refusal.from_message(transaction.response.message)
        assert refusal is not None
        assert refusal.code is not RefusalCode.INTERNAL
        return refusal

    @rule(target=pending, msp_id=members, reference_id=references, skew=skews)
    def open(self, msp_id: str, reference_id: str, skew: int) -> Kept:
        simulated = self.simulate(msp_id, "authentication:Open", self.world.opening(reference_id), skew)
        if isinstance(simulated, Pending):
            return simulated
        pair, now_s = self.pair(reference_id, msp_id), self.world.now_s + skew
        if simulated.code is RefusalCode.LOCKED_OUT:
            assert now_s < pair.locked_until_s
        elif simulated.code is RefusalCode.ATTEMPTS_EXHAUSTED:
            assert pair.used(now_s) >= self.limit
        return multiple()

    @rule(target=pending, msp_id=members, authentication_id=authentications, outcome=outcomes, skew=skews)
    def conclude(self, msp_id: str, authentication_id: str, outcome: Outcome, skew: int) -> Kept:
        request = ConcludeAuthentication(authentication_id=authentication_id, outcome=outcome)
        return self.kept(self.simulate(msp_id, "authentication:Conclude", request, skew))

    @rule(target=pending, authentication_id=authentications, outcome=outcomes, skew=skews)
    def conclude_rightly(self, authentication_id: str, outcome: Outcome, skew: int) -> Kept:
        owner = self.held[self.opened[authentication_id].reference_id].owner_msp_id
        request = ConcludeAuthentication(authentication_id=authentication_id, outcome=outcome)
        return self.kept(self.simulate(owner, "authentication:Conclude", request, skew))

    @rule(target=pending, msp_id=members, authentication_id=authentications, skew=skews)
    def cancel(self, msp_id: str, authentication_id: str, skew: int) -> Kept:
        request = AuthenticationId(authentication_id=authentication_id)
        return self.kept(self.simulate(msp_id, "authentication:Cancel", request, skew))

    @rule(msp_id=members, outcome=outcomes)
    def conclude_what_was_never_opened(self, msp_id: str, outcome: Outcome) -> None:
        request = ConcludeAuthentication(authentication_id=digest("never opened"), outcome=outcome)
        simulated = self.simulate(msp_id, "authentication:Conclude", request, 0)
        assert isinstance(simulated, Refusal)

    @rule(target=pending, msp_id=members, reference_id=references, verb=st.integers(0, 11), skew=skews)
    def change_reference(self, msp_id: str, reference_id: str, verb: int, skew: int) -> Kept:
        held = self.held[reference_id]
        fields = {name: getattr(held, name) for name in UpdateReference.model_fields}
        changes: dict[str, Document] = {
            "enrolment:Erase": ReferenceKey(reference_id=reference_id),
            "enrolment:Revoke": RevokeReference(
                reference_id=reference_id, reason=RevocationReason.UNSPECIFIED
            ),
            "enrolment:Share": ShareReference(reference_id=reference_id, msp_id="Org3MSP"),
            "enrolment:Update": UpdateReference(**fields),
        }
        # Mostly updates: an ended reference has little more to show.
        function = [*changes][min(verb, 3)]
        simulated = self.simulate(msp_id, function, changes[function], skew)
        assert isinstance(simulated, Refusal) or msp_id == held.owner_msp_id
        return self.kept(simulated)

    @staticmethod
    def kept(simulated: Pending | Refusal) -> Kept:
        return simulated if isinstance(simulated, Pending) else multiple()

    # --- ... and committed later ------------------------------------------------------------------------

    @rule(target=authentications, pending=pending)
    def commit_perhaps_again(self, pending: Pending) -> str | MultipleResults[str]:
        return self.commit(pending)

    @rule(target=authentications, pending=consumes(pending))
    def commit_and_forget(self, pending: Pending) -> str | MultipleResults[str]:
        return self.commit(pending)

    def commit(self, pending: Pending) -> str | MultipleResults[str]:
        ledger = self.world.ledger
        others = [msp_id for msp_id in MEMBERS if msp_id != pending.msp_id]
        if pending.function.startswith("enrolment:"):
            assert ledger.commit(pending.transaction, endorsed_by=others) != VALID
            return multiple()
        if ledger.commit(pending.transaction) != VALID:
            return multiple()
        record = AuthenticationRecord.from_bytes(pending.transaction.response.payload)
        now_s = pending.transaction.stub.timestamp_s
        if record.status is AuthenticationStatus.OPEN:
            self.committed_open(record, pending.msp_id, now_s)
            return record.authentication_id
        self.committed_end(record, pending.msp_id, now_s)
        return multiple()

    @rule(pending=consumes(pending))
    def commit_with_the_owners_peer(self, pending: Pending) -> None:
        if not pending.function.startswith("enrolment:"):
            return
        if self.world.ledger.commit(pending.transaction, endorsed_by=[pending.msp_id]) == VALID:
            after = Reference.from_bytes(pending.transaction.response.payload)
            before = self.held[after.reference_id]
            assert pending.msp_id == before.owner_msp_id == after.owner_msp_id
            assert after.updated_at_s >= before.updated_at_s
            self.held[after.reference_id] = after

    @rule(seconds=st.integers(1, 50))
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


Verification.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestVerification = Verification.TestCase
