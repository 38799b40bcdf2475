"""Erase a reference: template, data key and salts at once, then the ledger's word for it, then the surrogate.

    started      the idempotency key is claimed
    destroyed    the vault holds nothing of it; what the ledger holds of it is meaningless from here on
    endorsed     the transaction may have been sent
    committed    the ledger's record is a tombstone
    done         the surrogate is removed

A template in our vault is ours to destroy, so that is not made to wait for a ledger that is away; only
where there is none is the ledger asked first. What is destroyed stays destroyed, so from then on an erasure
only goes forward, however long the ledger is away.
"""

from dataclasses import dataclass
from enum import StrEnum

from veilmesh_chaincode.records.enrolment import Reference, ReferenceKey, ReferenceStatus
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode

from veilmesh_node.environment import Environment
from veilmesh_node.errors import HeldElsewhereError
from veilmesh_node.journal import DONE, STARTED, Kind, Operation, Transition
from veilmesh_node.operations import Traces, commit, endorse
from veilmesh_node.ports import ERASE_REFERENCE


class Step(StrEnum):
    STARTED = STARTED
    DESTROYED = "destroyed"
    ENDORSED = "endorsed"
    COMMITTED = "committed"


@dataclass(frozen=True, slots=True)
class Erased:
    reference: Reference
    tx_id: str


class Erasure:
    """The procedure behind Erase."""

    def __init__(self, environment: Environment) -> None:
        self._env = environment

    async def erase(self, reference_id: str, *, idempotency_key: str) -> Erased:
        """Destroy a reference for good.

        Raises:
            Refusal: NOT_FOUND, NOT_OWNER; REFERENCE_NOT_ACTIVE, it is erased already.
            HeldElsewhereError: another node of this organisation holds the template.
            OperationInProgressError: something else is being done with this reference.
            LedgerUnavailableError: before `destroyed`, nothing was done; after it, the rest follows by
            itself.
        """
        operation = self._env.journal.begin(
            Kind.ERASE,
            idempotency_key=idempotency_key,
            request_mac=self._env.fingerprint(reference_id.encode()),
            subject=reference_id,
            alone=True,
        )
        done = await self._env.operations.run(operation)
        return Erased(Reference.from_bytes(done.state["reference"].encode()), done.state["final_tx_id"])

    def can_go_on(self, operation: Operation) -> bool:
        return not operation.finished

    def can_undo(self, operation: Operation) -> bool:
        return operation.step == Step.STARTED

    async def advance(self, operation: Operation) -> Transition:
        match operation.step:
            case Step.STARTED:
                return await self._destroy(operation)
            case Step.DESTROYED:
                self._env.vault.scrub()
                request = ReferenceKey(reference_id=operation.subject)
                return await endorse(
                    self._env.ledger, operation, ERASE_REFERENCE, request, step=Step.ENDORSED
                )
            case Step.ENDORSED:
                erased = {"reference": operation.state["ledger_result"], "final_tx_id": operation.tx_id}
                return await commit(
                    self._env.ledger,
                    operation,
                    committed=Transition(Step.COMMITTED, erased),
                    again=Step.DESTROYED,
                )
            case Step.COMMITTED:
                await self._remove_surrogates(operation)
                return Transition(DONE)
        raise AssertionError(f"step {operation.step} does not advance")

    async def undo(self, operation: Operation) -> Traces | None:
        """Nothing is destroyed yet where this is called."""

    async def _destroy(self, operation: Operation) -> Transition:
        cids = self._env.vault.surrogates(operation.subject)
        if not cids:
            reference = await self._env.ledger.reference(operation.subject)
            self._check_erasable(reference)
            cids = [reference.surrogate_cid]
        return Transition(
            Step.DESTROYED,
            {"cids": cids},
            effect=lambda: self._env.vault.destroy(operation.subject),
        )

    def _check_erasable(self, reference: Reference) -> None:
        """Refuse at once what the ledger would refuse, and what would spare the template at another node."""
        if reference.owner_msp_id != self._env.msp_id:
            raise Refusal(
                RefusalCode.NOT_OWNER,
                f"reference {reference.reference_id} belongs to {reference.owner_msp_id}",
            )
        if reference.status is ReferenceStatus.ERASED:
            raise Refusal(
                RefusalCode.REFERENCE_NOT_ACTIVE, f"reference {reference.reference_id} is erased already"
            )
        if reference.owner_node_id != self._env.node_id:
            raise HeldElsewhereError(reference.reference_id, reference.owner_node_id)

    async def _remove_surrogates(self, operation: Operation) -> None:
        for cid in operation.state["cids"]:
            await self._env.remove_content(cid, besides=(operation.subject, 0))
