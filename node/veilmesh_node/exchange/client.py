"""Hands probes to other nodes, over connections that are pinned to the certificates that the ledger names."""

import asyncio
from pathlib import Path

import grpc
import grpc.aio
from veilmesh.v1.exchange_pb2 import SubmitProbeRequest
from veilmesh.v1.exchange_pb2_grpc import ExchangeStub
from veilmesh_chaincode.records.registry import Node

from veilmesh_node.catalog import is_trouble
from veilmesh_node.errors import PeerError, PeerRefusedError, PeerUnavailableError
from veilmesh_node.exchange.pinning import fetch_pinned
from veilmesh_node.exchange.service import MAX_MESSAGE_BYTES
from veilmesh_node.rpc.failures import detail_of

SUBMIT_WITHIN_S = 45.0  # comparison, conclusion and its commit at the other node

_AWAY = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})


class ExchangeClient:
    """Implements `verification.ProbeChannel`. Close it at the end."""

    def __init__(self, *, certificate: Path, key: Path) -> None:
        """Use the node's own TLS certificate and key, PEM files."""
        self._certificate, self._key = certificate, key
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}  # endpoint and pinned digest
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
        key = (node.endpoint, node.tls_certificate_sha256)
        async with self._connecting:
            if key not in self._channels:
                self._channels[key] = await self._connect(node)
            return self._channels[key]

    async def _connect(self, node: Node) -> grpc.aio.Channel:
        pinned = await fetch_pinned(
            node.endpoint,
            node.tls_certificate_sha256,
            whose=node.node_id,
            own_certificate=self._certificate,
            own_key=self._key,
        )
        credentials = grpc.ssl_channel_credentials(
            pinned.pem, self._key.read_bytes(), self._certificate.read_bytes()
        )
        options = [
            ("grpc.ssl_target_name_override", pinned.server_name),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ]
        return grpc.aio.secure_channel(node.endpoint, credentials, options=options)

    async def _drop(self, node: Node) -> None:
        channel = self._channels.pop((node.endpoint, node.tls_certificate_sha256), None)
        if channel is not None:
            await channel.close()


def failure_of(node_id: str, err: grpc.aio.AioRpcError) -> PeerError:
    """Return what a node's answer means: that it refused, or that it is in trouble of its own."""
    detail = detail_of(err)
    code, message = detail.code or err.code().name, detail.message or err.details() or "no reason given"
    if is_trouble(code):
        return PeerUnavailableError(f"node {node_id} cannot answer now: {message}")
    return PeerRefusedError(node_id, code, message)
