"""Taking transactions in order, and cutting them into batches.

A transaction is taken if its creator may write to the channel (`/Channel/Writers`), is valid now, and its
size is within the channel's limit; nothing else is looked at, as on Fabric (`orderer/common/msgprocessor`).
A batch is whatever has arrived while the batch before was being committed, up to the channel's limits. A
lone transaction waits for no timer; only if the batch before held several is the next one held open for as
long as more keep coming, since each block costs a signature and a synchronised write, and answers that are
sent together cost both ends less.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fabric_protos.common import common_pb2
from veilmesh_fabric.errors import DecodeError, IdentityError
from veilmesh_fabric.signature_checks import SignedMessage
from veilmesh_fabric.wire import decode

from veilmesh_network.embedded.channel import Channel

_LULL_PER_TRANSACTION_S = 0.001  # of the batch before: so long without an arrival, and no more are coming
_LONGEST_LULL_S = 0.01
_LONGEST_GATHER_S = 0.1
_MAX_WAITING = 10_000  # transactions; a client is told to come back, rather than the process to grow


class OrderingError(Exception):
    """A transaction was not taken.

    Attributes:
        status: a name of `common.Status`: "BAD_REQUEST", "FORBIDDEN" or "SERVICE_UNAVAILABLE".
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class Orderer:
    """The one orderer of the channel."""

    def __init__(self, channel: Channel, now: Callable[[], datetime]) -> None:
        self._channel = channel
        self._now = now
        self._waiting: deque[bytes] = deque()
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
        self._check_creator(envelope)
        self._waiting.append(envelope.SerializeToString())
        self._arrived.set()

    async def batch(self) -> list[bytes]:
        """Wait until something has arrived; return it, in order. Empty only after `close`."""
        await self._arrived.wait()
        if self._last_batch > 1:
            await self._gather()
        limits = self._channel.config.orderer
        batch: list[bytes] = []
        size = 0
        while self._waiting and len(batch) < limits.max_message_count:
            size += len(self._waiting[0])
            if batch and size > limits.preferred_max_bytes:
                break
            batch.append(self._waiting.popleft())
        if not self._waiting and not self._closed:
            self._arrived.clear()
        self._last_batch = len(batch)
        return batch

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

    def _check_creator(self, envelope: Any) -> None:
        try:
            payload = decode(common_pb2.Payload, envelope.payload, "payload")
            header = decode(common_pb2.ChannelHeader, payload.header.channel_header, "channel header")
            signer = decode(common_pb2.SignatureHeader, payload.header.signature_header, "signature header")
        except DecodeError as err:
            raise OrderingError("BAD_REQUEST", str(err)) from err
        if header.channel_id != self._channel.config.channel_id:
            raise OrderingError("NOT_FOUND", f"channel {header.channel_id!r} does not exist")
        if header.type != common_pb2.ENDORSER_TRANSACTION:
            raise OrderingError("BAD_REQUEST", "the embedded ledger orders endorser transactions alone")
        signed = SignedMessage(signer.creator, envelope.signature, envelope.payload)
        try:
            self._channel.require_writer(self._channel.signer(signed, self._now()))
        except IdentityError as err:
            raise OrderingError("FORBIDDEN", f"{err}: permission denied") from err
        self._channel.remember(signed)
