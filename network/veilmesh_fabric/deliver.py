"""Blocks, as a peer delivers them: whole, one after the other, unverified (`verification.py` does that).

`blocks` asks one peer; `Gateway.blocks` goes on at another one where the first breaks off.

Source: Fabric `orderer/ab.proto` (SeekInfo), `peer/events.proto` (Deliver).
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import grpc.aio
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp

from veilmesh_fabric.errors import DeliverError
from veilmesh_fabric.failover import Gateways, Link, unbroken
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.proposal import NONCE_BYTES
from veilmesh_fabric.rpc_errors import deliver_error

BlockPosition: TypeAlias = int | Literal["newest"]
"""A block's number, or the last one that stands when the request arrives."""

IDLE_S = 30.0  # how long a peer may take for a block that stands

_NO_END = 2**64 - 1

_ADVICE = {
    common_pb2.BAD_REQUEST: (
        "it does not take the request: is a clock more than 15 minutes off, or mutual TLS not as it expects?"
    ),
    common_pb2.FORBIDDEN: (
        "this identity may not read the channel, or its certificate has expired or been revoked"
    ),
    common_pb2.NOT_FOUND: "it has no such channel or block",
}


async def blocks(
    channel: grpc.aio.Channel,
    identity: SigningIdentity,
    channel_name: str,
    *,
    start: BlockPosition = 0,
    stop: BlockPosition | None = None,
    wait: bool = True,
    idle_s: float | None = None,
    tls_certificate_hash: bytes = b"",
) -> AsyncGenerator[Any, None]:
    """Yield `common.Block` messages.

    Close it when done before its end, e.g. with `contextlib.aclosing`.

    Args:
        channel: to a peer; its owner closes it.
        identity: one of the channel's readers.
        channel_name: the ledger's channel.
        start: the first block.
        stop: the last one; None for no end.
        wait: whether to wait for blocks that do not stand yet (BLOCK_UNTIL_READY) or to fail there.
        idle_s: the longest time between two blocks; for ever when not given, as where one waits for new ones.
        tls_certificate_hash: as `Proposal.build`.

    Raises:
        DeliverError: status FORBIDDEN: the identity may not read; NOT_FOUND: no such channel or, without
            `wait`, no such block yet; SERVICE_UNAVAILABLE, UNAVAILABLE: the peer or the way to it is down;
            DEADLINE_EXCEEDED: nothing came within `idle_s`.
    """
    what = f"blocks of {channel_name}"
    seek = ab_pb2.SeekInfo(
        start=_position(start),
        stop=_position(_NO_END if stop is None else stop),
        behavior=ab_pb2.SeekInfo.BLOCK_UNTIL_READY if wait else ab_pb2.SeekInfo.FAIL_IF_NOT_READY,
    )
    call = events_pb2_grpc.DeliverStub(channel).Deliver()
    try:
        await call.write(_signed_seek(identity, channel_name, seek, tls_certificate_hash))
        await call.done_writing()
        async for answer in _answers(call, idle_s):
            if answer.WhichOneof("Type") == "block":
                yield answer.block
            elif answer.status == common_pb2.SUCCESS:
                return
            else:
                raise _refused(what, answer.status)
    except TimeoutError as err:
        raise DeliverError(f"{what}: none within {idle_s} s", status="DEADLINE_EXCEEDED") from err
    except grpc.aio.AioRpcError as err:
        raise deliver_error(what, err) from err
    finally:
        call.cancel()
    raise DeliverError(f"{what}: the peer closed the stream", status="UNAVAILABLE")


async def gateway_blocks(
    gateways: Gateways,
    identify: Callable[[], SigningIdentity],
    channel_name: str,
    *,
    start: int,
    stop: int | None,
) -> AsyncGenerator[Any, None]:
    """Yield the blocks from `start` to `stop`, or without end; where one gateway breaks off, by the next.

    Raises:
        DeliverError: as `blocks`; no gateway could go on.
    """

    def opened(link: Link, last: Any | None) -> AsyncGenerator[Any, None]:
        return blocks(
            link.channel,
            identify(),
            channel_name,
            start=start if last is None else last.header.number + 1,
            stop=stop,
            idle_s=None if stop is None else IDLE_S,
            tls_certificate_hash=link.tls_certificate_hash,
        )

    async with aclosing(unbroken(gateways, opened)) as stream:
        async for block in stream:
            yield block


async def gateway_height(
    gateways: Gateways, identify: Callable[[], SigningIdentity], channel_name: str
) -> int:
    """Return how many blocks the channel has, as the first gateway that answers sees it.

    Raises:
        DeliverError: as `blocks`.
    """

    def opened(link: Link, _: Any | None) -> AsyncGenerator[Any, None]:
        return blocks(
            link.channel,
            identify(),
            channel_name,
            start="newest",
            stop="newest",
            idle_s=IDLE_S,
            tls_certificate_hash=link.tls_certificate_hash,
        )

    async with aclosing(unbroken(gateways, opened)) as stream:
        async for block in stream:
            return int(block.header.number) + 1
    return 0


async def _answers(call: Any, idle_s: float | None) -> AsyncGenerator[Any, None]:
    while True:
        async with asyncio.timeout(idle_s):
            answer = await call.read()
        if answer is grpc.aio.EOF:
            return
        yield answer


def _refused(what: str, status: int) -> DeliverError:
    name = _status_name(status)
    advice = f" ({_ADVICE[status]})" if status in _ADVICE else ""
    return DeliverError(f"{what}: the peer answered {name}{advice}", status=name)


def _signed_seek(identity: SigningIdentity, channel_name: str, seek: Any, tls_certificate_hash: bytes) -> Any:
    timestamp = Timestamp()
    timestamp.FromDatetime(datetime.now(UTC))
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.DELIVER_SEEK_INFO,
        timestamp=timestamp,
        channel_id=channel_name,
        tls_cert_hash=tls_certificate_hash,
    )
    signature_header = common_pb2.SignatureHeader(creator=identity.creator, nonce=os.urandom(NONCE_BYTES))
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(),
        signature_header=signature_header.SerializeToString(),
    )
    payload = common_pb2.Payload(header=header, data=seek.SerializeToString()).SerializeToString()
    return common_pb2.Envelope(payload=payload, signature=identity.sign(payload))


def _position(position: BlockPosition) -> Any:
    if position == "newest":
        return ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
    return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=position))


def _status_name(status: int) -> str:
    names: dict[int, str] = {number: name for name, number in common_pb2.Status.items()}
    return names.get(status, f"STATUS_{status}")
