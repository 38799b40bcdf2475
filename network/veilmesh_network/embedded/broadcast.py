"""Fabric's AtomicBroadcast service: what a client hands to the ordering service itself, without a gateway.

Source: Fabric v3.1 `orderer/common/broadcast/broadcast.go`.
"""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc

from veilmesh_network.embedded.orderer import Orderer, OrderingError


class BroadcastService(ab_pb2_grpc.AtomicBroadcastServicer):  # type: ignore[misc]  # generated, untyped
    """`orderer.AtomicBroadcast`, its `Broadcast` alone: blocks are delivered as peers deliver them."""

    def __init__(self, orderer: Orderer) -> None:
        self._orderer = orderer

    async def Broadcast(  # noqa: N802 - the service's name
        self, envelopes: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        del context
        async for envelope in envelopes:
            try:
                self._orderer.take(envelope)
            except OrderingError as err:
                yield ab_pb2.BroadcastResponse(status=common_pb2.Status.Value(err.status), info=str(err))
                return
            yield ab_pb2.BroadcastResponse(status=common_pb2.SUCCESS)
