"""Taking transactions in order, and cutting them into batches.

A transaction is taken if its creator may write to the channel (`/Channel/Writers`), is valid now, and its
size is within the channel's limit; nothing else is looked at, as on Fabric (`orderer/common/msgprocessor`).
A request for another configuration becomes a CONFIG transaction, alone in its block. What was taken under one
configuration and comes up for a block under the next is looked at once more, and left out if it would not be
taken now: that, too, is Fabric's way.

A batch is whatever has arrived while the batch before was being committed, up to the channel's limits. A
lone transaction waits for no timer; only if the batch before held several is the next one held open for as
long as more keep coming, since each block costs a signature and a synchronised write, and answers that are
sent together cost both ends less.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from fabric_protos.common import common_pb2
from veilmesh_fabric.errors import DecodeError, IdentityError
from veilmesh_fabric.signature_checks import SignedMessage
from veilmesh_fabric.wire import decode

from veilmesh_network.embedded.channel import Channel
from veilmesh_network.embedded.config_updates import ConfigUpdates, UpdateRefusedError

_LULL_PER_TRANSACTION_S = 0.001  # of the batch before: so long without an arrival, and no more are coming
_LONGEST_LULL_S = 0.01
_LONGEST_GATHER_S = 0.1
_NOT_TAKEN = {
    common_pb2.CONFIG: "cannot be processed directly",
    common_pb2.ORDERER_TRANSACTION: "is no longer supported",
}
_MAX_WAITING = 10_000  # transactions; a client is told to come back, rather than the process to grow

_logger = logging.getLogger(__name__)


class OrderingError(Exception):
    """A transaction was not taken.

    Attributes:
        status: a name of `common.Status`: "BAD_REQUEST", "FORBIDDEN" or "SERVICE_UNAVAILABLE".
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Waiting(NamedTuple):
    """A transaction that was taken, and under which configuration."""

    envelope: bytes
    is_config: bool
    sequence: int


class Orderer:
    """The one orderer of the channel."""

    def __init__(self, channel: Channel, updates: ConfigUpdates, now: Callable[[], datetime]) -> None:
        self._channel = channel
        self._updates = updates
        self._now = now
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._last_batch = 0
        self._closed = False

    def take(self, envelope: Any) -> None:
        """Take a signed `Envelope` in; it will stand in a block, valid or not, if the process lives.

        Raises:
            OrderingError: it is refused.
        """
        if self._closed or len(self._waiting) >= _MAX_WAITING:
            reason = "the ledger is stopping" if self._closed else "too many transactions are waiting"
            raise OrderingError("SERVICE_UNAVAILABLE", reason)
        limit = self._channel.config.orderer.absolute_max_bytes
        size = len(envelope.payload) + len(envelope.signature)
        if size > limit:
            raise OrderingError(
                "BAD_REQUEST", f"message payload is {size} bytes and exceeds maximum allowed {limit} bytes"
            )
        self._waiting.append(self._checked(envelope))
        self._arrived.set()

    async def batch(self) -> list[bytes]:
        """Wait until something has arrived; return it, in order. Empty only after `close`."""
        batch: list[bytes] = []
        while not batch and not (self._closed and not self._waiting):
            await self._arrived.wait()
            if self._last_batch > 1:
                await self._gather()
            batch = self._cut()
            if not self._waiting and not self._closed:
                self._arrived.clear()
        self._last_batch = len(batch)
        return batch

    def _cut(self) -> list[bytes]:
        """Return the next batch; empty where nothing that waits is to be taken any more."""
        limits = self._channel.config.orderer
        batch: list[bytes] = []
        size = 0
        while self._waiting and len(batch) < limits.max_message_count:
            first = self._still_taken(self._waiting[0])
            if first is None:
                self._waiting.popleft()
                continue
            size += len(first.envelope)
            if batch and (first.is_config or size > limits.preferred_max_bytes):
                break
            self._waiting.popleft()
            batch.append(first.envelope)
            if first.is_config:
                break
        return batch

    def _still_taken(self, waiting: _Waiting) -> _Waiting | None:
        """Return it as it would be taken under the configuration of now, or None."""
        if waiting.sequence == self._channel.config.sequence:
            return waiting
        envelope = common_pb2.Envelope.FromString(waiting.envelope)
        try:
            if waiting.is_config:
                return self._taken(self._updates.again(envelope), is_config=True)
            return self._checked(envelope)
        except (OrderingError, UpdateRefusedError) as err:
            _logger.info("a transaction was taken and is no longer: %s", err)
            return None

    async def _gather(self) -> None:
        """Wait while transactions keep arriving, and a block has room for them."""
        lull_s = min(self._last_batch * _LULL_PER_TRANSACTION_S, _LONGEST_LULL_S)
        until = time.monotonic() + _LONGEST_GATHER_S
        full = self._channel.config.orderer.max_message_count
        arrived = 0
        while arrived < len(self._waiting) < full and time.monotonic() < until and not self._closed:
            arrived = len(self._waiting)
            await asyncio.sleep(lull_s)

    def close(self) -> None:
        """Take nothing more; what has arrived can still be fetched."""
        self._closed = True
        self._arrived.set()

    def _checked(self, envelope: Any) -> _Waiting:
        """Return what is to be ordered for an envelope.

        Raises:
            OrderingError: it is not to be.
        """
        kind = self._kind(envelope)
        if kind != common_pb2.CONFIG_UPDATE:
            return self._taken(envelope, is_config=False)
        try:
            return self._taken(self._updates.transaction(envelope), is_config=True)
        except UpdateRefusedError as err:
            raise OrderingError("BAD_REQUEST", str(err)) from err

    def _taken(self, envelope: Any, *, is_config: bool) -> _Waiting:
        return _Waiting(envelope.SerializeToString(), is_config, self._channel.config.sequence)

    def _kind(self, envelope: Any) -> int:
        """Return the type of an envelope whose creator may write to the channel.

        Of a type that nobody knows it may be, too: such a one stands in a block, and changes nothing.
        """
        try:
            payload = decode(common_pb2.Payload, envelope.payload, "payload")
            header = decode(common_pb2.ChannelHeader, payload.header.channel_header, "channel header")
            signer = decode(common_pb2.SignatureHeader, payload.header.signature_header, "signature header")
        except DecodeError as err:
            raise OrderingError("BAD_REQUEST", f"could not determine channel ID: {err}") from err
        if not payload.HasField("header"):
            raise OrderingError("BAD_REQUEST", "could not determine channel ID: header not set")
        if header.channel_id != self._channel.config.channel_id:
            raise OrderingError("BAD_REQUEST", "channel does not exist")
        if header.type in _NOT_TAKEN:
            raise OrderingError("BAD_REQUEST", f"message is of type that {_NOT_TAKEN[header.type]}")
        signed = SignedMessage(signer.creator, envelope.signature, envelope.payload)
        try:
            self._channel.require_writer(self._channel.signer(signed, self._now()))
        except IdentityError as err:
            raise OrderingError("FORBIDDEN", f"{err}: permission denied") from err
        self._channel.remember(signed)
        return int(header.type)
