"""Fabric's Deliver service: whole blocks from any position, to whoever may read the channel.

Who may no longer read it after a change of its configuration is sent nothing more, that change included.

Source: Fabric `common/deliver/deliver.go`.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import grpc.aio
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2, events_pb2_grpc
from veilmesh_fabric.errors import DecodeError, IdentityError
from veilmesh_fabric.signature_checks import SignedMessage
from veilmesh_fabric.wire import decode

from veilmesh_network.embedded.channel import Channel
from veilmesh_network.embedded.feed import BlockFeed


class DeliverService(events_pb2_grpc.DeliverServicer):  # type: ignore[misc]  # generated, untyped
    """`protos.Deliver`, its `Deliver` alone: nothing here asks for filtered blocks or private data."""

    def __init__(self, channel: Channel, feed: BlockFeed, now: Callable[[], datetime]) -> None:
        self._channel = channel
        self._feed = feed
        self._now = now

    async def Deliver(  # noqa: N802 - the service's name
        self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        del context
        async for envelope in requests:
            status = common_pb2.SUCCESS
            try:
                seek, reader = self._opened(envelope)
                sequence = -1
                async for block in self._blocks(seek):
                    if sequence != self._channel.config.sequence:
                        self._require_reader(reader)
                        sequence = self._channel.config.sequence
                    yield events_pb2.DeliverResponse(block=block)
            except _RefusedError as refused:
                status = refused.status
            yield events_pb2.DeliverResponse(status=status)
            if status != common_pb2.SUCCESS:
                return

    def _opened(self, envelope: Any) -> tuple[Any, SignedMessage]:
        """Return the `SeekInfo` in a signed request, and what its signer signed."""
        try:
            payload = decode(common_pb2.Payload, envelope.payload, "payload")
            header = decode(common_pb2.ChannelHeader, payload.header.channel_header, "channel header")
            signer = decode(common_pb2.SignatureHeader, payload.header.signature_header, "signature header")
            seek = decode(ab_pb2.SeekInfo, payload.data, "seek request")
        except DecodeError as err:
            raise _RefusedError(common_pb2.BAD_REQUEST) from err
        if header.channel_id != self._channel.config.channel_id:
            raise _RefusedError(common_pb2.NOT_FOUND)
        reader = SignedMessage(signer.creator, envelope.signature, envelope.payload)
        self._require_reader(reader)
        return seek, reader

    def _require_reader(self, signed: SignedMessage) -> None:
        try:
            self._channel.require_reader(self._channel.signer(signed, self._now()))
        except IdentityError as err:
            raise _RefusedError(common_pb2.FORBIDDEN) from err

    async def _blocks(self, seek: Any) -> AsyncIterator[Any]:
        start = self._number(seek.start)
        # Fabric: from newest to newest is one block, even if another is committed meanwhile.
        stop = start if seek.start == seek.stop else self._number(seek.stop)
        if stop < start:
            raise _RefusedError(common_pb2.BAD_REQUEST)
        for number in range(start, stop + 1):
            if seek.behavior == ab_pb2.SeekInfo.FAIL_IF_NOT_READY and number >= self._feed.height:
                raise _RefusedError(common_pb2.NOT_FOUND)
            yield common_pb2.Block.FromString(await self._feed.block(number))

    def _number(self, position: Any) -> int:
        match position.WhichOneof("Type"):
            case "oldest":
                return 0
            case "newest":
                return self._feed.height - 1
            case "specified":
                return int(position.specified.number)
            case "next_commit":
                return self._feed.height
        raise _RefusedError(common_pb2.BAD_REQUEST)


class _RefusedError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
