"""Hands probes to other nodes, over connections that are pinned to the certificates that the ledger names."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import grpc
import grpc.aio
from veilmesh.v1.exchange_pb2 import SubmitProbeRequest
from veilmesh.v1.exchange_pb2_grpc import ExchangeStub
from veilmesh_chaincode.records.registry import Node
from veilmesh_fabric.tls import TlsPair

from veilmesh_node.catalog import is_trouble
from veilmesh_node.errors import PeerError, PeerRefusedError, PeerUnavailableError
from veilmesh_node.exchange.pinning import fetch_pinned
from veilmesh_node.exchange.service import MAX_MESSAGE_BYTES
from veilmesh_node.rpc.failures import detail_of

SUBMIT_WITHIN_S = 45.0  # comparison, conclusion and its commit at the other node

_AWAY = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})


class _Ends(NamedTuple):
    """Who talks to whom: a channel is of one pair of certificates."""

    endpoint: str
    pinned_sha256: str
    own_digest: bytes


class ExchangeClient:
    """Implements `verification.ProbeChannel`. Close it at the end."""

    def __init__(self, own: Callable[[], TlsPair]) -> None:
        """Show the node's own TLS certificate, as it is at each moment."""
        self._own = own
        self._channels: dict[_Ends, grpc.aio.Channel] = {}
        self._connecting = asyncio.Lock()

    async def submit_probe(
        self, node: Node, *, authentication_id: str, suite: str, sealed_probe: bytes
    ) -> str:
        request = SubmitProbeRequest(
            authentication_id=authentication_id, sealing_suite=suite, sealed_probe=sealed_probe
        )
        stub = ExchangeStub(await self._channel(node))  # type: ignore[no-untyped-call]  # generated
        try:
            answer = await stub.SubmitProbe(request, timeout=SUBMIT_WITHIN_S)
        except grpc.aio.AioRpcError as err:
            if err.code() in _AWAY:
                # It may come back with another certificate, so the next call looks at it anew.
                await self._drop(node)
                raise PeerUnavailableError(f"node {node.node_id} does not answer: {err.details()}") from err
            raise failure_of(node.node_id, err) from err
        return str(answer.conclusion_tx_id)

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    async def _channel(self, node: Node) -> grpc.aio.Channel:
        own = self._own()
        ends = _Ends(node.endpoint, node.tls_certificate_sha256, own.digest)
        async with self._connecting:
            if ends not in self._channels:
                self._channels[ends] = await self._connect(node, own)
            return self._channels[ends]

    async def _connect(self, node: Node, own: TlsPair) -> grpc.aio.Channel:
        pinned = await fetch_pinned(
            node.endpoint,
            node.tls_certificate_sha256,
            whose=node.node_id,
            own=own,
        )
        credentials = grpc.ssl_channel_credentials(pinned.pem, own.key_pem, own.certificate_pem)
        options = [
            ("grpc.ssl_target_name_override", pinned.server_name),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ]
        return grpc.aio.secure_channel(node.endpoint, credentials, options=options)

    async def _drop(self, node: Node) -> None:
        for ends in [ends for ends in self._channels if ends.endpoint == node.endpoint]:
            await self._channels.pop(ends).close()


def failure_of(node_id: str, err: grpc.aio.AioRpcError) -> PeerError:
    """Return what a node's answer means: that it refused, or that it is in trouble of its own."""
    detail = detail_of(err)
    code, message = detail.code or err.code().name, detail.message or err.details() or "no reason given"
    if is_trouble(code):
        return PeerUnavailableError(f"node {node_id} cannot answer now: {message}")
    return PeerRefusedError(node_id, code, message)
