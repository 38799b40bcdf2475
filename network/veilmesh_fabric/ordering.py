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
from fabric_protos.orderer.etcdraft import configuration_pb2 as etcdraft_pb2

from veilmesh_fabric.channel_config import Address, ChannelConfig
from veilmesh_fabric.connection import connect
from veilmesh_fabric.errors import BroadcastError
from veilmesh_fabric.tls_roots import tls_roots
from veilmesh_fabric.wire import decode

_UNAVAILABLE = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "SERVICE_UNAVAILABLE"})
"""Answers after which another orderer may do better: it is down, or without a leader."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OrdererEndpoint:
    """Where one orderer is reached."""

    address: str  # host:port
    tls_roots_pem: bytes = field(repr=False)


def orderer_endpoints(
    config: ChannelConfig, *, at: Sequence[str] | None = None
) -> tuple[OrdererEndpoint, ...]:
    """Return the orderers that the channel's configuration names, with their organisations' TLS roots.

    Args:
        config: the configuration.
        at: where they are instead, host:port, seen from here; each may be any ordering organisation's.
    """
    roots = tls_roots(config)
    ordering = [each for each in config.orderer.organizations if each.msp_id in roots]
    if at:
        every = b"\n".join(roots[each.msp_id] for each in ordering)
        return tuple(OrdererEndpoint(address, every) for address in at)
    return tuple(
        OrdererEndpoint(address, roots[each.msp_id])
        for each in ordering
        for address in each.orderer_endpoints
    )


def consenters(config: ChannelConfig) -> tuple[Address, ...]:
    """Return where those who agree on the order of transactions reach each other.

    Raises:
        DecodeError: the configuration says it in no way that is known.
    """
    orderer = config.orderer
    if orderer.is_byzantine_fault_tolerant:
        return tuple(consenter.address for consenter in orderer.consenters.values())
    raft = decode(etcdraft_pb2.ConfigMetadata, orderer.consensus_metadata, "metadata of the consensus")
    return tuple(Address(each.host, each.port) for each in raft.consenters)


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
