"""Revoke a reference: once committed, nobody is verified against it. Its template stays until erased.

    started    the idempotency key is claimed
    endorsed   the transaction may have been sent
    done       committed

A ledger that is away is waited for; where it refuses, nothing is left. Once the transaction may have been
sent, only its own fate ends the operation.
"""

from dataclasses import dataclass
from enum import StrEnum

from veilmesh_chaincode.records.enrolment import Reference, RevocationReason, RevokeReference

from veilmesh_node.environment import Environment
from veilmesh_node.errors import InvalidRequestError
from veilmesh_node.journal import DONE, STARTED, Kind, Operation, Transition
from veilmesh_node.operations import Traces, commit, endorse
from veilmesh_node.ports import REVOKE_REFERENCE


class Step(StrEnum):
    STARTED = STARTED
    ENDORSED = "endorsed"


@dataclass(frozen=True, slots=True)
class Revoked:
    reference: Reference
    tx_id: str


class Revocation:
    """The procedure behind Revoke."""

    def __init__(self, environment: Environment) -> None:
        self._env = environment

    async def revoke(self, reference_id: str, reason: str, *, idempotency_key: str) -> Revoked:
        """End a reference's use.

        Raises:
            InvalidRequestError: there is no such reason.
            Refusal: NOT_FOUND, NOT_OWNER, REFERENCE_NOT_ACTIVE.
            OperationInProgressError: something else is being done with this reference.
        """
        if reason not in set(RevocationReason):
            known = ", ".join(RevocationReason)
            raise InvalidRequestError(f"there is no revocation reason {reason!r}; use {known}")
        operation = self._env.journal.begin(
            Kind.REVOKE,
            idempotency_key=idempotency_key,
            request_mac=self._env.fingerprint(reference_id.encode(), reason.encode()),
            subject=reference_id,
            state={"reason": reason},
            alone=True,
        )
        done = await self._env.operations.run(operation)
        return Revoked(Reference.from_bytes(done.state["reference"].encode()), done.state["final_tx_id"])

    def can_go_on(self, operation: Operation) -> bool:
        return not operation.finished

    def can_undo(self, operation: Operation) -> bool:
        return not operation.finished

    async def advance(self, operation: Operation) -> Transition:
        if operation.step == Step.STARTED:
            reason = RevocationReason(operation.state["reason"])
            request = RevokeReference(reference_id=operation.subject, reason=reason)
            return await endorse(self._env.ledger, operation, REVOKE_REFERENCE, request, step=Step.ENDORSED)
        done = {"reference": operation.state["ledger_result"], "final_tx_id": operation.tx_id}
        return await commit(self._env.ledger, operation, committed=Transition(DONE, done), again=Step.STARTED)

    async def undo(self, operation: Operation) -> Traces | None:
        """Nothing was left anywhere."""
