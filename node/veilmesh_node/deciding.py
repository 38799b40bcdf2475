"""Decide, as the owner's node: compare a probe with the template that it is claimed to match.

    started    the authentication's one probe is being worked on: opened, checked, compared
    decided    the outcome is certain, and written down; the probe is forgotten
    endorsed   the conclusion may have been sent
    done       on the ledger; only now is the relying node answered

Nothing is said about a probe for which the ledger holds no open authentication between the two nodes.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from veilmesh_chaincode.records.authentication import (
    Authentication,
    AuthenticationStatus,
    ConcludeAuthentication,
    Outcome,
)
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Node, NodeStatus

from veilmesh_node.access import EXCHANGE
from veilmesh_node.domain.commitment import SALT_BYTES, commit_probe, equal
from veilmesh_node.domain.decision import decide
from veilmesh_node.domain.secret import Features, Secret
from veilmesh_node.environment import Environment
from veilmesh_node.errors import (
    IdempotencyConflictError,
    NoOpenAuthenticationError,
    OperationInProgressError,
    ProbeMismatchError,
    ProbeReplayedError,
    SealingError,
)
from veilmesh_node.journal import DONE, STARTED, Kind, Operation, Transition
from veilmesh_node.operations import Traces, commit, endorse
from veilmesh_node.ports import CONCLUDE_AUTHENTICATION
from veilmesh_node.sealing import SUITE, SealingKey
from veilmesh_node.verification import binding_of


class Step(StrEnum):
    STARTED = STARTED
    DECIDED = "decided"
    ENDORSED = "endorsed"


@dataclass(frozen=True, slots=True)
class SubmittedProbe:
    """What a relying node handed over, and the certificate that it showed."""

    authentication_id: str
    suite: str
    sealed_probe: bytes = field(repr=False)
    peer_certificate_sha256: str  # of the DER certificate of the TLS connection


@dataclass(frozen=True, slots=True)
class Decided:
    authentication_id: str
    outcome: Outcome
    conclusion_tx_id: str


class Deciding:
    """The procedure behind SubmitProbe."""

    def __init__(self, environment: Environment, sealing_key: SealingKey) -> None:
        self._env = environment
        self._sealing_key = sealing_key

    async def decide(self, submitted: SubmittedProbe) -> Decided:
        """Compare a probe and conclude its authentication on the ledger.

        Raises:
            NoOpenAuthenticationError: the ledger names no such authentication between this peer and this
            node. ProbeReplayedError: it had its one probe. ProbeMismatchError: the probe does not open, or
            is not the one that was committed to. ModelDiffersError: this node's template is of another
            model. Refusal: the ledger would not have the conclusion.
        """
        authentication = await self._open_authentication(submitted)
        operation = self._claim(submitted.authentication_id)

        async def prepare(operation: Operation) -> Operation:
            outcome = await self._compare(submitted, authentication)
            return self._env.journal.record(operation, Transition(Step.DECIDED, {"outcome": outcome}))

        done = await self._env.operations.run(operation, prepare)
        return Decided(
            submitted.authentication_id, Outcome(done.state["outcome"]), done.state["conclusion_tx_id"]
        )

    def can_go_on(self, operation: Operation) -> bool:
        return operation.step != Step.STARTED

    def can_undo(self, operation: Operation) -> bool:
        return not operation.finished

    async def advance(self, operation: Operation) -> Transition:
        if operation.step == Step.DECIDED:
            request = ConcludeAuthentication(
                authentication_id=operation.subject, outcome=Outcome(operation.state["outcome"])
            )
            return await endorse(
                self._env.ledger, operation, CONCLUDE_AUTHENTICATION, request, step=Step.ENDORSED
            )
        concluded = Transition(DONE, {"conclusion_tx_id": operation.tx_id})
        return await commit(self._env.ledger, operation, committed=concluded, again=Step.DECIDED)

    async def undo(self, operation: Operation) -> Traces | None:
        """Nothing of a probe was kept."""

    async def _open_authentication(self, submitted: SubmittedProbe) -> Authentication:
        """Return the authentication that lets this peer ask this node, now."""
        try:
            authentication = await self._find(submitted.authentication_id)
            relying = await self._env.ledger.node(authentication.relying_node_id)
        except Refusal as refusal:
            if refusal.code not in {RefusalCode.NOT_FOUND, RefusalCode.MALFORMED}:
                raise
            raise NoOpenAuthenticationError("there is no such authentication") from refusal
        if authentication.decider_node_id != self._env.node_id:
            raise NoOpenAuthenticationError("the authentication names another node to decide")
        if not _may_ask(relying, submitted.peer_certificate_sha256):
            raise NoOpenAuthenticationError("the authentication is not this peer's")
        if self._env.journal.find(Kind.DECIDE, authentication.authentication_id) is not None:
            raise ProbeReplayedError("the authentication had its probe")
        if authentication.status is not AuthenticationStatus.OPEN:
            raise NoOpenAuthenticationError(f"the authentication is {authentication.status}")
        if self._env.clock.now_s() >= authentication.expires_at_s:
            raise NoOpenAuthenticationError("the authentication is expired")
        return authentication

    async def _find(self, authentication_id: str) -> Authentication:
        """Return the authentication. The probe may be faster than the block, so that is waited for.

        An authentication's id is that of the transaction that opened it.

        Raises:
            Refusal: NOT_FOUND, MALFORMED.
        """
        ledger = self._env.ledger
        try:
            return await ledger.authentication(authentication_id)
        except Refusal as refusal:
            if refusal.code is not RefusalCode.NOT_FOUND or not await ledger.caught_up(authentication_id):
                raise
        return await ledger.authentication(authentication_id)

    def _claim(self, authentication_id: str) -> Operation:
        try:
            operation = self._env.journal.begin(
                Kind.DECIDE,
                idempotency_key=authentication_id,
                request_mac=self._env.fingerprint(authentication_id.encode()),
                subject=authentication_id,
            )
        except (OperationInProgressError, IdempotencyConflictError) as err:
            raise ProbeReplayedError("the authentication had its probe") from err
        if operation.finished:
            raise ProbeReplayedError("the authentication had its probe")
        return operation

    async def _compare(self, submitted: SubmittedProbe, authentication: Authentication) -> Outcome:
        """Open, check and compare; the dissimilarity goes no further than this function."""
        probe = self._open_probe(submitted, authentication)
        policy = await self._env.ledger.policy()
        dissimilarity = self._env.vault.compare(
            authentication.reference_id,
            version=authentication.reference_version,
            model_digest=authentication.model_digest,
            probe=probe,
        )
        return decide(dissimilarity, policy.terms.threshold_micro)

    def _open_probe(self, submitted: SubmittedProbe, authentication: Authentication) -> Features:
        if submitted.suite != SUITE:
            raise ProbeMismatchError("the probe is sealed in another suite")
        try:
            plaintext = self._sealing_key.open(submitted.sealed_probe, binding_of(authentication))
            salt, probe = Secret(plaintext[:SALT_BYTES]), Features.from_bytes(plaintext[SALT_BYTES:])
        except (SealingError, ValueError) as err:
            raise ProbeMismatchError("the probe does not open for this authentication") from err
        commitment = commit_probe(
            salt,
            reference_id=authentication.reference_id,
            model_digest=authentication.model_digest,
            probe=probe,
        )
        if not equal(commitment, authentication.probe_commitment):
            raise ProbeMismatchError("the probe is not the one that was committed to")
        return probe


def _may_ask(relying: Node, peer_certificate_sha256: str) -> bool:
    return (
        relying.status is NodeStatus.ACTIVE
        and EXCHANGE["SubmitProbe"] in relying.roles
        and relying.tls_certificate_sha256 == peer_certificate_sha256
    )
