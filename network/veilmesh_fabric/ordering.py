"""The ordering service: where its orderers are, and how an envelope reaches one of them.

Transactions go through the gateway, which knows the orderers itself. A configuration update is sent to them
directly, to one after the other until one takes it. What "take" means: it will stand in a block, if it is
still good when its turn comes.

Source: Fabric v3.1 `orderer/ab.proto` (Broadcast), `orderer/common/broadcast/broadcast.go`.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2_grpc

from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.connection import connect
from veilmesh_fabric.errors import BroadcastError
from veilmesh_fabric.msp import read_msp_config

_UNAVAILABLE = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "SERVICE_UNAVAILABLE"})
"""Answers after which another orderer may do better: it is down, or without a leader."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OrdererEndpoint:
    """Where one orderer is reached."""

    address: str  # host:port
    tls_roots_pem: bytes = field(repr=False)


def orderer_endpoints(config: ChannelConfig) -> tuple[OrdererEndpoint, ...]:
    """Return the orderers that the channel's configuration names, with their organisations' TLS roots."""
    endpoints = []
    for organization in config.orderer.organizations:
        group = config.root.groups["Orderer"].groups[organization.name]
        msp = read_msp_config(group.values["MSP"].value)
        roots = b"".join((*msp.tls_root_certs, *msp.tls_intermediate_certs))
        endpoints += [OrdererEndpoint(address, roots) for address in organization.orderer_endpoints]
    return tuple(endpoints)


async def broadcast(orderers: Sequence[OrdererEndpoint], envelope: Any, *, deadline_s: float = 15.0) -> None:
    """Hand an `Envelope` message to the first orderer that takes it.

    Args:
        orderers: tried in this order.
        envelope: signed.
        deadline_s: for each of them.

    Raises:
        BroadcastError: one refused it, or none could be reached; after an orderer that did not answer, what
            became of the envelope is uncertain.
    """
    failure = BroadcastError("the channel names no orderer", status="UNAVAILABLE")
    for orderer in orderers:
        try:
            await _broadcast_to(orderer, envelope, deadline_s)
        except BroadcastError as err:
            if err.status not in _UNAVAILABLE:
                raise
            _logger.info("%s", err)
            failure = err
        else:
            return
    raise failure


async def _broadcast_to(orderer: OrdererEndpoint, envelope: Any, deadline_s: float) -> None:
    async with connect(orderer.address, orderer.tls_roots_pem) as channel:
        call = ab_pb2_grpc.AtomicBroadcastStub(channel).Broadcast(_only(envelope), timeout=deadline_s)
        try:
            answer = await call.read()
        except grpc.aio.AioRpcError as err:
            raise BroadcastError(
                f"orderer {orderer.address}: {err.details() or 'no reason given'} ({err.code().name})",
                status=err.code().name,
            ) from err
        finally:
            call.cancel()
    if answer is grpc.aio.EOF:
        raise BroadcastError(f"orderer {orderer.address} closed the stream", status="UNAVAILABLE")
    if answer.status != common_pb2.SUCCESS:
        status = common_pb2.Status.Name(answer.status)
        message = f"orderer {orderer.address} answered {status}: {answer.info or 'no reason given'}"
        raise BroadcastError(message, status=status, info=answer.info)


async def _only(envelope: Any) -> AsyncIterator[Any]:
    yield envelope
