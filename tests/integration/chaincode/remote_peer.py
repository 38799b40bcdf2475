"""The fake peer of the unit tests over gRPC with mutual TLS, as a real peer dials the service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from fabric_protos.peer.chaincode_shim_pb2_grpc import ChaincodeStub

from tests.unit.chaincode.shim.fake_peer import FakePeer

_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@asynccontextmanager
async def connected(peer: FakePeer, channel: grpc.aio.Channel) -> AsyncIterator[Any]:
    """Connect `peer` by a stream of its own while the context is open; yield the gRPC call."""

    async def requests() -> AsyncIterator[Any]:
        while (message := await peer.read()) is not None:
            yield message

    async def pump() -> None:
        try:
            async for message in call:
                peer.take(message)
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            pass
        finally:
            peer.terminated()

    call = ChaincodeStub(channel).Connect(requests())
    pumping = asyncio.create_task(pump())
    try:
        yield call
    finally:
        call.cancel()
        await pumping


def dial(port: int, roots: bytes, certificate: bytes | None, key: bytes | None) -> grpc.aio.Channel:
    credentials = grpc.ssl_channel_credentials(roots, key, certificate)
    return grpc.aio.secure_channel(f"localhost:{port}", credentials, options=_UNLIMITED)
