"""What became of a transaction.

`CommitStatus` waits at the gateway until the transaction stands in a block. A connection that
breaks meanwhile changes nothing about that, so the question is asked again until it is answered or the time
is over.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import transaction_pb2

from veilmesh_fabric.errors import CommitError, CommitStatusError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.retry import Clock, RetryPolicy, is_uncertain

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """A transaction's place in the chain, and whether it counts."""

    tx_id: str
    code: int  # TxValidationCode
    block_number: int

    @property
    def code_name(self) -> str:
        """Such as "MVCC_READ_CONFLICT"; a code newer than our protocol is "UNKNOWN_CODE"."""
        names: dict[int, str] = {number: name for name, number in transaction_pb2.TxValidationCode.items()}
        return names.get(self.code, "UNKNOWN_CODE")

    @property
    def valid(self) -> bool:
        return self.code == int(transaction_pb2.VALID)

    def require_valid(self) -> None:
        """Return if the transaction took effect.

        Raises:
            CommitError: it did not.
        """
        if not self.valid:
            raise CommitError(
                transaction_id=self.tx_id,
                code=self.code,
                code_name=self.code_name,
                block_number=self.block_number,
            )


@dataclass(frozen=True, slots=True)
class CommitStatusRequest:
    """The question, in the bytes that are to be signed."""

    tx_id: str
    request_bytes: bytes

    @classmethod
    def build(cls, creator: bytes, channel_name: str, tx_id: str) -> Self:
        message = gateway_pb2.CommitStatusRequest(
            transaction_id=tx_id, channel_id=channel_name, identity=creator
        )
        return cls(tx_id, message.SerializeToString())

    def sign(self, identity: SigningIdentity) -> "SignedCommitStatusRequest":
        return SignedCommitStatusRequest(self, identity.sign(self.request_bytes))


@dataclass(frozen=True, slots=True)
class SignedCommitStatusRequest:
    """The question as it travels."""

    request: CommitStatusRequest
    signature: bytes

    def to_proto(self) -> Any:
        return gateway_pb2.SignedCommitStatusRequest(
            request=self.request.request_bytes, signature=self.signature
        )


async def ask_until_known(
    ask: Callable[[float], Awaitable[CommitStatus]], within_s: float, policy: RetryPolicy, clock: Clock
) -> CommitStatus:
    """Return a transaction's status, asking again while the answers leave it open.

    Args:
        ask: asks once, within as many seconds as its argument says.
        within_s: how long to go on.
        policy: the delays between two questions.
        clock: tells when to stop.

    Raises:
        CommitStatusError: the gateway refuses to say, or the time is over; the transaction's fate is not
        known.
    """
    until = clock.monotonic() + within_s
    failures = 0
    while True:
        try:
            return await ask(max(0.0, until - clock.monotonic()))
        except CommitStatusError as err:
            failures += 1
            delay_s = policy.delay_s(failures)
            if not is_uncertain(err) or clock.monotonic() + delay_s >= until:
                raise
            _logger.info("commit status of %s is not known yet: %s", err.transaction_id, err.code.name)
        await clock.sleep(delay_s)
