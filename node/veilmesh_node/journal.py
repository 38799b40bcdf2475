"""The operation journal: what the node was about to do, so that a killed node finishes or undoes it.

Each operation is a small state machine. Its row says the last step that is certain, the idempotency key
that claimed it, what the next steps need, and, from endorsement on, the transaction it sends: id and signed
envelope. The row and the vault change in one database transaction. A finished operation keeps its row, so
that a repeated key gets the same answer, until `prune`; an undone one leaves nothing, so that its key can
be used again. Where undoing takes more than the vault, the row stays at `undoing` until that is done too.

Photos and features are never written here.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from veilmesh_node.domain.ids import OperationId, new_operation_id
from veilmesh_node.errors import IdempotencyConflictError, OperationInProgressError
from veilmesh_node.vault.database import Database

STARTED = "started"
DONE = "done"
UNDOING = "undoing"

RETENTION_S = 30 * 24 * 3600  # of finished operations; far beyond any authentication's expiry


class Kind(StrEnum):
    ENROL = "enrol"
    UPDATE = "update"
    REVOKE = "revoke"
    ERASE = "erase"
    VERIFY = "verify"
    DECIDE = "decide"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Operation:
    """One row. `state` is JSON: what later steps, a restart, or a repeated request need to know."""

    operation_id: OperationId
    kind: Kind
    idempotency_key: str
    request_mac: str
    subject: str  # the reference or authentication; empty for a batch of receipts
    step: str
    state: Mapping[str, Any]
    tx_id: str  # of the transaction under way; empty where none
    envelope: bytes = field(repr=False)
    started_at_s: int
    updated_at_s: int
    in_doubt: bool = False  # read back from the journal: the transaction under way may have been sent

    @property
    def finished(self) -> bool:
        return self.step == DONE

    @property
    def may_be_sent(self) -> bool:
        """Whether a transaction of it is endorsed and its fate is not written down."""
        return bool(self.tx_id)


@dataclass(frozen=True, slots=True)
class Transition:
    """What one step came to: the next step, and what changes with it."""

    step: str
    state: Mapping[str, Any] = field(default_factory=dict)  # added to the operation's
    tx_id: str = ""
    envelope: bytes = field(default=b"", repr=False)
    effect: Callable[[], None] | None = None  # a change of the vault, in the same database transaction


class Moment(StrEnum):
    """Between which two instructions of `Journal.record` a step is."""

    BEFORE = "before"  # the work is done, its record is not yet written
    AFTER = "after"  # the record is on the disk


@dataclass(frozen=True, slots=True)
class StepPoint:
    """A point at which a node may die; `str` names it, such as "enrol:endorsed:after"."""

    kind: Kind
    step: str
    moment: Moment

    def __str__(self) -> str:
        return f"{self.kind}:{self.step}:{self.moment}"


OnStep = Callable[[StepPoint], None]


def pass_by(_: StepPoint) -> None:
    """Let a step pass."""


class Journal:
    def __init__(self, database: Database, now_s: Callable[[], int], on_step: OnStep = pass_by) -> None:
        """Use the vault's database.

        Args:
            database: open; shared with the vault, so that one transaction changes both.
            now_s: the clock, Unix seconds.
            on_step: told each point that an operation passes; fault tests die in it.
        """
        self._database = database
        self._now_s = now_s
        self._on_step = on_step

    @property
    def database(self) -> Database:
        return self._database

    def begin(
        self,
        kind: Kind,
        *,
        idempotency_key: str,
        request_mac: str,
        subject: str,
        state: Mapping[str, Any] | None = None,
        alone: bool = False,
    ) -> Operation:
        """Claim a new operation, or return the finished one that this key made before.

        Args:
            kind: what it does.
            idempotency_key: the caller's; empty: none, so the operation's own id stands in for it.
            request_mac: of all that the caller asked for, keyed: a hash of a photo would be a trace of it.
            subject: what it is about, as `Operation.subject`.
            state: what its steps need to know from the start.
            alone: refuse while another operation on the same subject is unfinished.

        Raises:
            OperationInProgressError: the key, or with `alone` the subject, is at work.
            IdempotencyConflictError: the key was used for another request.
        """
        with self._database.transaction():
            known = self.find(kind, idempotency_key)
            if known is not None:
                return _repeated(known, request_mac)
            if alone:
                self._require_alone(subject)
            operation = self._new(kind, idempotency_key, request_mac, subject, state or {})
            self._insert(operation)
        self._on_step(StepPoint(kind, STARTED, Moment.AFTER))
        return operation

    def record(self, operation: Operation, transition: Transition) -> Operation:
        """Write down that a step is behind us, together with its effect on the vault."""
        self._on_step(StepPoint(operation.kind, transition.step, Moment.BEFORE))
        state = {**operation.state, **transition.state}
        now_s = self._now_s()
        with self._database.transaction():
            if transition.effect is not None:
                transition.effect()
            self._database.execute(
                "UPDATE operations SET step = ?, state = ?, tx_id = ?, envelope = ?, updated_at_s = ?"
                " WHERE operation_id = ?",
                (
                    transition.step,
                    json.dumps(state),
                    transition.tx_id,
                    transition.envelope or None,
                    now_s,
                    operation.operation_id,
                ),
            )
        self._on_step(StepPoint(operation.kind, transition.step, Moment.AFTER))
        return replace(
            operation,
            step=transition.step,
            state=state,
            tx_id=transition.tx_id,
            envelope=transition.envelope,
            updated_at_s=now_s,
            in_doubt=False,
        )

    def forget(self, operation: Operation) -> None:
        """Remove the row of an operation that is undone."""
        self._database.execute("DELETE FROM operations WHERE operation_id = ?", (operation.operation_id,))

    def get(self, operation_id: str) -> Operation | None:
        return next(iter(self._select("operation_id = ?", operation_id)), None)

    def find(self, kind: Kind, idempotency_key: str) -> Operation | None:
        """Return the operation that holds a key, finished or not."""
        return next(iter(self._select("kind = ? AND idempotency_key = ?", kind, idempotency_key)), None)

    def unfinished(self) -> list[Operation]:
        """All operations that are not done, oldest first."""
        return self._select("step != ?", DONE)

    def prune(self) -> int:
        """Forget what was finished long ago; returns how many."""
        return self._database.execute(
            "DELETE FROM operations WHERE step = ? AND updated_at_s < ?",
            (DONE, self._now_s() - RETENTION_S),
        )

    def _require_alone(self, subject: str) -> None:
        for other in self._select("subject = ? AND step != ? AND kind != ?", subject, DONE, Kind.VERIFY):
            raise OperationInProgressError(other.operation_id, f"reference {subject}")

    def _new(
        self, kind: Kind, idempotency_key: str, request_mac: str, subject: str, state: Mapping[str, Any]
    ) -> Operation:
        operation_id = new_operation_id()
        now_s = self._now_s()
        return Operation(
            operation_id=operation_id,
            kind=kind,
            idempotency_key=idempotency_key or operation_id,
            request_mac=request_mac,
            subject=subject,
            step=STARTED,
            state=state,
            tx_id="",
            envelope=b"",
            started_at_s=now_s,
            updated_at_s=now_s,
        )

    def _insert(self, operation: Operation) -> None:
        self._database.execute(
            "INSERT INTO operations VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)",
            (
                operation.operation_id,
                operation.kind,
                operation.idempotency_key,
                operation.request_mac,
                operation.subject,
                operation.step,
                json.dumps(operation.state),
                operation.tx_id,
                operation.started_at_s,
                operation.updated_at_s,
            ),
        )

    def _select(self, condition: str, *parameters: object) -> list[Operation]:
        rows = self._database.rows(
            f"SELECT * FROM operations WHERE {condition} ORDER BY started_at_s, rowid",  # noqa: S608 - ours
            parameters,
        )
        return [_operation(row) for row in rows]


def _repeated(known: Operation, request_mac: str) -> Operation:
    """Return the operation that a repeated key stands for."""
    if known.request_mac != request_mac:
        raise IdempotencyConflictError
    if not known.finished:
        raise OperationInProgressError(known.operation_id, known.subject or known.kind)
    return known


def _operation(row: Any) -> Operation:
    return Operation(
        operation_id=OperationId(row["operation_id"]),
        kind=Kind(row["kind"]),
        idempotency_key=row["idempotency_key"],
        request_mac=row["request_mac"],
        subject=row["subject"],
        step=row["step"],
        state=json.loads(row["state"]),
        tx_id=row["tx_id"],
        envelope=row["envelope"] or b"",
        started_at_s=row["started_at_s"],
        updated_at_s=row["updated_at_s"],
        in_doubt=True,
    )
