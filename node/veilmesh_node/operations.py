"""Runs journalled operations: forward where they can be finished, back where they cannot.

A `Procedure` knows the steps of one kind of operation. The first part of an operation, `prepare`, works
on what only the caller has (photos, a sealed probe); a node killed in it undoes the operation. After it,
each `advance` takes one step on what the journal and the vault hold, so a killed node, or one whose
ledger was away, goes on where it was. What happens to a failure:

- a transaction may have been sent: undone only where it is certain that it changes nothing; after anything
  else, be it only that its commit could not be written down, the operation stays in the journal for `resume`;
- nothing was sent, and the ledger is out of reach: an operation that can go on stays, others are undone;
- anything else: undone where the procedure can undo it, else it stays and is tried again.

Undone means: first what was done elsewhere is taken back, then the vault's part and the step `undoing` are
written in one transaction, then goes what lies outside the vault, and last the row. So a failure, or a
kill, at any of these leaves an operation that is undone once more, and none that goes on without its content.

A caller who goes away does not stop an operation: it runs in a task of its own.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from veilmesh_chaincode.records.refusals import Refusal

from veilmesh_node.errors import (
    LedgerConflictError,
    LedgerUnavailableError,
    NodeError,
    TransactionInvalidError,
    TransactionRefusedError,
    VerificationLostError,
)
from veilmesh_node.journal import UNDOING, Journal, Kind, Operation, Transition
from veilmesh_node.ports import Change, EndorsedTransaction, Ledger, Request

_log = logging.getLogger(__name__)

CONFLICT_ATTEMPTS = 5  # collisions in one run, before the caller is told to try again

Prepare = Callable[[Operation], Awaitable[Operation]]

# After these, a transaction that may have been sent has changed nothing, and will not.
_CERTAIN = (Refusal, TransactionInvalidError, TransactionRefusedError, VerificationLostError)


@dataclass(frozen=True, slots=True)
class Traces:
    """How to remove what an operation left in this node. Both may be called again."""

    in_vault: Callable[[], None]  # within the journal's transaction
    outside: Callable[[], Awaitable[None]]  # after its commit


class Procedure(Protocol):
    """One kind of operation."""

    def can_go_on(self, operation: Operation) -> bool:
        """Whether what the node holds is enough to take the next step."""
        ...

    def can_undo(self, operation: Operation) -> bool:
        """Whether it is early enough to undo it."""
        ...

    async def advance(self, operation: Operation) -> Transition:
        """Take the next step."""
        ...

    async def undo(self, operation: Operation) -> Traces | None:
        """Take back what was done elsewhere; return what is left here, if anything. May be called again."""
        ...


class Operations:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._procedures: dict[Kind, Procedure] = {}
        self._running: dict[str, asyncio.Task[Operation]] = {}
        self._complaints: dict[str, str] = {}  # the last one of each waiting operation

    @property
    def journal(self) -> Journal:
        return self._journal

    def register(self, procedures: Mapping[Kind, Procedure]) -> None:
        """Make known how operations of these kinds go on; before the first `resume`."""
        self._procedures.update(procedures)

    def is_running(self, operation_id: str) -> bool:
        return operation_id in self._running

    async def run(self, operation: Operation, prepare: Prepare | None = None) -> Operation:
        """Run an operation to its end and return it; one that is finished already, at once.

        Raises:
            Refusal, NodeError: it failed, and was undone; or, where a `NodeError` bears its
                `operation_id`, it waits in the journal to be resumed.
        """
        if operation.finished:
            return operation
        task = asyncio.create_task(self._run(operation, prepare), name=f"operation {operation.operation_id}")
        self._running[operation.operation_id] = task
        task.add_done_callback(lambda _: self._running.pop(operation.operation_id))
        return await asyncio.shield(task)

    async def resume(self) -> int:
        """Finish or undo what is unfinished and not at work; returns how many could not be, as yet."""
        for operation_id in [operation.operation_id for operation in self._journal.unfinished()]:
            # Looked up again each time: while others were worked on, it may have come to its end.
            operation = self._journal.get(operation_id)
            if operation is None or operation.finished or self.is_running(operation_id):
                continue
            try:
                await self.run(operation)
            except (NodeError, Refusal) as err:
                self._complain(operation, err)
            except Exception:  # noqa: BLE001 - a defect in one operation must not keep the others waiting
                _log.exception("operation %s (%s) failed", operation_id, operation.kind)
        return sum(not self.is_running(operation.operation_id) for operation in self._journal.unfinished())

    async def drain(self) -> None:
        """Wait for what is at work; its callers hear of failures, not we."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _run(self, operation: Operation, prepare: Prepare | None) -> Operation:
        procedure = self._procedures[operation.kind]
        try:
            if prepare is not None:
                operation = await prepare(operation)
            elif operation.step == UNDOING or not procedure.can_go_on(operation):
                await self._undo(procedure, operation)
                return operation
            while not operation.finished:
                operation = self._journal.record(operation, await procedure.advance(operation))
        except Exception as err:
            await self._give_up(procedure, operation.operation_id, err)
            raise
        self._complaints.pop(operation.operation_id, None)
        _log.info("operation %s (%s) is done", operation.operation_id, operation.kind)
        return operation

    async def _give_up(self, procedure: Procedure, operation_id: str, err: Exception) -> None:
        """Undo a failed operation, unless it is to wait."""
        operation = self._journal.get(operation_id)
        if operation is None:
            return
        if _waits(procedure, operation, err):
            self._complain(operation, err)
            if isinstance(err, NodeError):
                err.operation_id = operation_id
            return
        try:
            await self._undo(procedure, operation)
        except (NodeError, Refusal) as undo_err:
            _log.warning("operation %s (%s) is not undone yet: %s", operation_id, operation.kind, undo_err)

    def _complain(self, operation: Operation, err: Exception) -> None:
        """Log why an operation cannot go on, once and not with every attempt."""
        if self._complaints.get(operation.operation_id) != str(err):
            self._complaints[operation.operation_id] = str(err)
            _log.warning("operation %s waits at %s: %s", operation.operation_id, operation.step, err)

    async def _undo(self, procedure: Procedure, operation: Operation) -> None:
        step, traces = operation.step, await procedure.undo(operation)
        if traces is not None:
            operation = self._journal.record(operation, Transition(UNDOING, effect=traces.in_vault))
            await traces.outside()
        self._journal.forget(operation)
        self._complaints.pop(operation.operation_id, None)
        _log.info("operation %s (%s) was undone at %s", operation.operation_id, operation.kind, step)


def _waits(procedure: Procedure, operation: Operation, err: Exception) -> bool:
    """Whether a failed operation is to stay as it is, for `resume`, rather than to be undone."""
    if not procedure.can_undo(operation):
        return True
    if operation.may_be_sent:
        return not isinstance(err, _CERTAIN)
    return isinstance(err, LedgerUnavailableError | LedgerConflictError) and procedure.can_go_on(operation)


async def endorse(
    ledger: Ledger, operation: Operation, change: Change[Request], request: Request, *, step: str
) -> Transition:
    """Return the transition to `step`, at which an endorsed transaction is about to be sent.

    Raises:
        LedgerConflictError: earlier ones collided too often in this run; a resumed operation tries anew.
    """
    collisions = int(operation.state.get("collisions", 0))
    if collisions and collisions % CONFLICT_ATTEMPTS == 0 and not operation.in_doubt:
        raise LedgerConflictError(f"{change.function} collided with other transactions {collisions} times")
    transaction = await ledger.endorse(change, request)
    return Transition(
        step,
        {"ledger_result": transaction.result.decode()},
        tx_id=transaction.tx_id,
        envelope=transaction.envelope,
    )


async def commit(ledger: Ledger, operation: Operation, *, committed: Transition, again: str) -> Transition:
    """Send the operation's transaction; return `committed`, or after a collision a way back to step `again`.

    Raises:
        TransactionInvalidError, TransactionRefusedError, LedgerUnavailableError: as `Ledger.commit`.
    """
    result = str(operation.state["ledger_result"])
    transaction = EndorsedTransaction(operation.tx_id, operation.envelope, result.encode())
    try:
        await ledger.commit(transaction, in_doubt=operation.in_doubt)
    except LedgerConflictError:
        return Transition(again, {"collisions": int(operation.state.get("collisions", 0)) + 1})
    return replace(committed, state={**committed.state, "collisions": 0})
