"""Verify, as the relying node: is the person in this photo the one behind that reference?

    started    the idempotency key is claimed; the photo is encoded, the probe committed to
    endorsed   the opening of an authentication is endorsed, and may have been sent
    opened     committed; the probe is sealed to the deciding node and handed over
    done       the decision is on the ledger, and here

The probe is never written down. So where a node was killed, or the deciding node did not answer, the ledger
is asked: what was concluded meanwhile is the result; what is still open is cancelled, and counts as no
attempt. An opening whose fate nobody knows may still lie in some queue, so it is first made certain: the same
transaction is sent again, and opens once.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from veilmesh_chaincode.records.authentication import (
    Authentication,
    AuthenticationId,
    AuthenticationStatus,
    OpenAuthentication,
    Outcome,
)
from veilmesh_chaincode.records.policy import ExchangeMode
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Node

from veilmesh_node.domain.commitment import commit_probe, new_salt
from veilmesh_node.domain.ids import is_tx_id
from veilmesh_node.domain.secret import Features, Secret
from veilmesh_node.environment import Environment
from veilmesh_node.errors import (
    LedgerConflictError,
    PeerError,
    TransactionInvalidError,
    TransactionRefusedError,
    VerificationLostError,
)
from veilmesh_node.journal import DONE, STARTED, Kind, Operation, Transition
from veilmesh_node.operations import Traces, commit, endorse
from veilmesh_node.ports import CANCEL_AUTHENTICATION, OPEN_AUTHENTICATION, EndorsedTransaction, FaceBox
from veilmesh_node.sealing import SUITE, Binding, seal

CANCEL_ATTEMPTS = 5


class Step(StrEnum):
    STARTED = STARTED
    ENDORSED = "endorsed"
    OPENED = "opened"


class ProbeChannel(Protocol):
    """Hands a sealed probe to another node; see `exchange.client`."""

    async def submit_probe(
        self, node: Node, *, authentication_id: str, suite: str, sealed_probe: bytes
    ) -> str:
        """Return the transaction with which the node says that it concluded.

        Raises:
            PeerError: it cannot be reached, is not the one that the ledger names, or refuses.
        """
        ...


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    photo: bytes = field(repr=False)
    reference_id: str
    purpose: str
    idempotency_key: str
    face: FaceBox | None = None  # marked by hand; None: the detector's

    def parts(self) -> list[bytes]:
        return [self.photo, self.reference_id.encode(), self.purpose.encode(), repr(self.face).encode()]


@dataclass(frozen=True, slots=True)
class Verified:
    """A decision, as the ledger has it."""

    authentication: Authentication
    outcome: Outcome
    conclusion_tx_id: str  # as the deciding node says; empty where it was not heard


@dataclass(frozen=True, slots=True)
class Probe:
    """What is handed over, sealed: the features, and the salt that opens the commitment to them."""

    features: Features
    salt: Secret

    def to_bytes(self) -> bytes:
        return self.salt.reveal() + self.features.to_bytes()


class Verification:
    """The procedure behind Verify."""

    def __init__(self, environment: Environment, channel: ProbeChannel) -> None:
        self._env = environment
        self._channel = channel

    async def verify(self, request: VerifyRequest) -> Verified:
        """Have the owner's node compare a photo with a reference.

        Raises:
            SampleRejectedError: the photo shows no usable face. Refusal: NOT_FOUND, REFERENCE_NOT_ACTIVE,
            PURPOSE_NOT_ALLOWED, LOCKED_OUT, ... : the rule that forbids it. PeerError: the deciding node
            gave no decision; the authentication is cancelled.
        """
        operation = self._env.journal.begin(
            Kind.VERIFY,
            idempotency_key=request.idempotency_key,
            request_mac=self._env.fingerprint(*request.parts()),
            subject=request.reference_id,
        )

        async def prepare(operation: Operation) -> Operation:
            return await self._hand_over(operation, request)

        done = await self._env.operations.run(operation, prepare)
        authentication = Authentication.from_bytes(done.state["authentication"].encode())
        if authentication.outcome is None:
            raise AssertionError("a finished verification has an outcome")
        return Verified(authentication, authentication.outcome, done.state["conclusion_tx_id"])

    def can_go_on(self, operation: Operation) -> bool:
        """Only what the ledger knows can still be found out: the probe is gone."""
        return bool(operation.tx_id or operation.state.get("authentication_id"))

    def can_undo(self, operation: Operation) -> bool:
        return not operation.finished

    async def advance(self, operation: Operation) -> Transition:
        """Find out, without the probe, what became of it.

        Raises:
            VerificationLostError: nothing was decided, and nothing will be.
        """
        authentication = await self._find(operation)
        if authentication is None or authentication.status is not AuthenticationStatus.CONCLUDED:
            raise VerificationLostError(operation.subject)
        return _done(authentication, conclusion_tx_id="")

    async def undo(self, operation: Operation) -> Traces | None:
        """Cancel the authentication where it is still open."""
        authentication = await self._find(operation)
        if authentication is not None and authentication.status is AuthenticationStatus.OPEN:
            await self._cancel(authentication)
        return None

    async def _hand_over(self, operation: Operation, request: VerifyRequest) -> Operation:
        """Take an operation from `started` to `done`, with the probe in hand."""
        env, faces = self._env, self._env.require_faces()
        probe = Probe(await faces.encode_probe(request.photo, request.face), new_salt())
        opening = OpenAuthentication(
            reference_id=request.reference_id,
            purpose=request.purpose,
            mode=ExchangeMode.SEALED,
            probe_commitment=commit_probe(
                probe.salt,
                reference_id=request.reference_id,
                model_digest=faces.model_digest,
                probe=probe.features,
            ),
            model_digest=faces.model_digest,
        )
        operation = await self._open(operation, opening)
        authentication = await env.ledger.authentication(operation.state["authentication_id"])
        conclusion_tx_id = ""
        failure = PeerError(f"node {authentication.decider_node_id} answered, and concluded nothing")
        try:
            conclusion_tx_id = await self._submit(authentication, probe)
        except PeerError as err:
            # The answer may have been lost after the decision, so the ledger is asked all the same.
            failure = err
        authentication = await self._outcome_of(authentication, conclusion_tx_id)
        if authentication.status is not AuthenticationStatus.CONCLUDED:
            raise failure
        return env.journal.record(operation, _done(authentication, conclusion_tx_id))

    async def _open(self, operation: Operation, opening: OpenAuthentication) -> Operation:
        """Take an operation from `started` to `opened`, anew after each collision."""
        env = self._env
        while operation.step != Step.OPENED:
            transition = await endorse(
                env.ledger, operation, OPEN_AUTHENTICATION, opening, step=Step.ENDORSED
            )
            operation = env.journal.record(operation, transition)
            opened = Transition(Step.OPENED, {"authentication_id": operation.tx_id})
            transition = await commit(env.ledger, operation, committed=opened, again=Step.STARTED)
            operation = env.journal.record(operation, transition)
        return operation

    async def _submit(self, authentication: Authentication, probe: Probe) -> str:
        decider = await self._env.ledger.node(authentication.decider_node_id)
        if decider.sealing_suite != SUITE:
            raise PeerError(f"node {decider.node_id} wants sealing suite {decider.sealing_suite}")
        sealed = seal(probe.to_bytes(), decider.sealing_public_key, binding_of(authentication))
        return await self._channel.submit_probe(
            decider,
            authentication_id=authentication.authentication_id,
            suite=SUITE,
            sealed_probe=sealed,
        )

    async def _outcome_of(self, opened: Authentication, conclusion_tx_id: str) -> Authentication:
        """Return the authentication as it is now. The answer may be faster than the block it speaks of."""
        ledger = self._env.ledger
        authentication = await ledger.authentication(opened.authentication_id)
        waits = authentication.status is AuthenticationStatus.OPEN and is_tx_id(conclusion_tx_id)
        if waits and await ledger.caught_up(conclusion_tx_id):
            return await ledger.authentication(opened.authentication_id)
        return authentication

    async def _find(self, operation: Operation) -> Authentication | None:
        """Return the operation's authentication; None where it was never opened, or expired unused."""
        authentication_id = operation.state.get("authentication_id") or operation.tx_id
        if not authentication_id:
            return None
        if operation.step == Step.ENDORSED and not await self._opened(operation):
            return None
        return await self._env.ledger.authentication(authentication_id)

    async def _opened(self, operation: Operation) -> bool:
        """Make certain whether the opening took effect; one that has expired need not be known."""
        result = str(operation.state["ledger_result"]).encode()
        if self._env.clock.now_s() >= Authentication.from_bytes(result).expires_at_s:
            return False
        transaction = EndorsedTransaction(operation.tx_id, operation.envelope, result)
        try:
            await self._env.ledger.commit(transaction, in_doubt=True)
        except (LedgerConflictError, TransactionInvalidError, TransactionRefusedError):
            return False
        return True

    async def _cancel(self, authentication: Authentication) -> None:
        request = AuthenticationId(authentication_id=authentication.authentication_id)
        for attempt in range(1, CANCEL_ATTEMPTS + 1):
            try:
                transaction = await self._env.ledger.endorse(CANCEL_AUTHENTICATION, request)
                await self._env.ledger.commit(transaction, in_doubt=False)
            except LedgerConflictError:
                if attempt == CANCEL_ATTEMPTS:
                    raise
            except Refusal as refusal:
                # Its time ran out, or it was concluded just now: there is nothing left to cancel.
                if refusal.code not in {RefusalCode.ALREADY_CONCLUDED, RefusalCode.AUTHENTICATION_EXPIRED}:
                    raise
                return
            else:
                return


def binding_of(authentication: Authentication) -> Binding:
    """Return what a probe of this authentication is sealed to; both sides read it from the ledger."""
    return Binding(
        authentication_id=authentication.authentication_id,
        challenge=authentication.challenge,
        relying_node_id=authentication.relying_node_id,
        decider_node_id=authentication.decider_node_id,
        model_digest=authentication.model_digest,
    )


def _done(authentication: Authentication, conclusion_tx_id: str) -> Transition:
    return Transition(
        DONE,
        {"authentication": authentication.to_bytes().decode(), "conclusion_tx_id": conclusion_tx_id},
    )
