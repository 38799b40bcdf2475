"""Blocks, as a peer delivers them: whole, one after the other, unverified (`verification.py` does that).

Source: Fabric `orderer/ab.proto` (SeekInfo), `peer/events.proto` (Deliver).
"""

import os
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import grpc.aio
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp

from veilmesh_fabric.errors import DeliverError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.proposal import NONCE_BYTES
from veilmesh_fabric.rpc_errors import deliver_error

BlockPosition: TypeAlias = int | Literal["newest"]
"""A block's number, or the last one that stands when the request arrives."""

_NO_END = 2**64 - 1


async def blocks(
    channel: grpc.aio.Channel,
    identity: SigningIdentity,
    channel_name: str,
    *,
    start: BlockPosition = 0,
    stop: BlockPosition | None = None,
    wait: bool = True,
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
        tls_certificate_hash: as `Proposal.build`.

    Raises:
        DeliverError: status FORBIDDEN: the identity may not read; NOT_FOUND: no such channel or, without
            `wait`, no such block yet; SERVICE_UNAVAILABLE, UNAVAILABLE: the peer or the way to it is down.
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
        async for answer in call:
            if answer.WhichOneof("Type") == "block":
                yield answer.block
            elif answer.status == common_pb2.SUCCESS:
                return
            else:
                status = _status_name(answer.status)
                raise DeliverError(f"{what}: the peer answered {status}", status=status)
    except grpc.aio.AioRpcError as err:
        raise deliver_error(what, err) from err
    finally:
        call.cancel()
    raise DeliverError(f"{what}: the peer closed the stream", status="UNAVAILABLE")


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
