"""When to try again, and how long to wait: decisions without I/O.

- Before anything was submitted (evaluate, endorse): again while the ledger is out of reach or busy, or its
  peers are not at the same block. A call that ran into its deadline was long enough.
- A submission that was refused as one too many was not looked at: again.
- MVCC_READ_CONFLICT and PHANTOM_READ_CONFLICT: what the transaction read has changed, so it is proposed anew.
- After an uncertain answer to a submission: never again. `CommitStatus` is asked instead (`commit.py`).

Which gateway is asked is for `failover.py`.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import grpc
from fabric_protos.peer import transaction_pb2

from veilmesh_fabric.causes import Cause
from veilmesh_fabric.errors import CommitError, GatewayError

Answer = TypeVar("Answer")

_CONFLICTS = frozenset({transaction_pb2.MVCC_READ_CONFLICT, transaction_pb2.PHANTOM_READ_CONFLICT})

_UNCERTAIN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        # A connection that breaks in the middle of a call may also end it with these two.
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)

_ORDERER_REFUSES = "status=FORBIDDEN"

# What ended a call under another code was the time, or a connection that broke.
_ANSWERS_OF_THE_GATEWAY = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED}
)


class Clock(Protocol):
    """Time and waiting, so that tests need neither."""

    def now(self) -> datetime:
        """Return the wall clock, aware; it becomes the transactions' timestamp."""

    def monotonic(self) -> float:
        """Return seconds since some moment."""

    async def sleep(self, delay_s: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How persistent a client is. `RetryPolicy(attempts=1, conflict_attempts=1)` never tries again."""

    attempts: int = 5  # to evaluate or endorse one proposal
    conflict_attempts: int = 5  # proposals for one `Contract.submit`
    first_delay_s: float = 0.1
    longest_delay_s: float = 2.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.conflict_attempts < 1:
            raise ValueError("at least one attempt is needed")

    def delay_s(self, failures: int) -> float:
        """Return how long to wait after `failures` failures in a row, 1 or more.

        The bound doubles each time; the delay is a random share of it, between half and all, so that clients
        that failed together do not come back together.
        """
        bound: float = min(self.longest_delay_s, self.first_delay_s * 2 ** min(failures - 1, 30))
        return bound * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret


def is_passing(error: GatewayError) -> bool:
    """Whether asking again, a little later, may help; for calls that change nothing."""
    if error.cause is Cause.AWAY:
        return error.code in _ANSWERS_OF_THE_GATEWAY
    return error.cause.may_pass


def is_busy(error: GatewayError) -> bool:
    """Whether the gateway, and not somebody behind it, refused the call before it looked at it."""
    return error.cause is Cause.BUSY and not error.details


def is_uncertain(error: GatewayError) -> bool:
    """Whether the gateway may have acted although it did not say so."""
    return error.code in _UNCERTAIN and not is_busy(error) and not _refused_by_orderers(error)


def _refused_by_orderers(error: GatewayError) -> bool:
    """Whether too few SmartBFT orderers have taken a transaction, and none for want of a connection.

    The gateway tells it as UNAVAILABLE, after more orderers than may lie have said no: at least one of them
    says the truth, and the rest are too few to order it.
    """
    said = [detail.message for detail in error.details]
    return len(said) > 1 and all(_ORDERER_REFUSES in message for message in said)


def is_conflict(error: CommitError) -> bool:
    """Whether a new proposal of the same request may succeed."""
    return error.code in _CONFLICTS


async def retry(
    call: Callable[[], Awaitable[Answer]],
    again: Callable[[GatewayError], bool],
    policy: RetryPolicy,
    clock: Clock,
) -> Answer:
    """Return what `call` returns, calling it again after errors of which `again` says so.

    Raises:
        GatewayError: the last attempt's.
    """
    for attempt in range(1, policy.attempts):
        try:
            return await call()
        except GatewayError as err:
            if not again(err):
                raise
        await clock.sleep(policy.delay_s(attempt))
    return await call()
