"""The service as a gRPC server: mutual TLS, health, metrics, and an end that lets transactions finish."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import grpc
import grpc.aio
from fabric_protos.peer.chaincode_shim_pb2_grpc import ChaincodeServicer, add_ChaincodeServicer_to_server
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from prometheus_client import start_http_server

from veilmesh_chaincode.runtime import Chaincode
from veilmesh_chaincode.shim.errors import SettingsError
from veilmesh_chaincode.shim.exchange import MAX_MESSAGE_BYTES
from veilmesh_chaincode.shim.metrics import Metrics
from veilmesh_chaincode.shim.settings import Address, Settings, Tls
from veilmesh_chaincode.shim.stream import PeerStream

SERVICE = "protos.Chaincode"  # by this name, and by the empty one, the health service tells its state
GRACE_S = 30.0  # for transactions at work; a peer gives one up after as long

_OPTIONS = [
    ("grpc.so_reuseport", 0),  # a second service at the same address is an error, not a partner
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Peers ping every minute, idle or not (Fabric `internal/pkg/comm/config.go`); gRPC's default is to close
    # the connection of one who pings an idle stream more often than every five.
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 30_000),
    # We ping, too, so that the stream of a peer that vanished is noticed and ended.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
]

_log = logging.getLogger(__name__)


class ChaincodeService(ChaincodeServicer):  # type: ignore[misc]  # generated, without annotations
    """Fabric's `Chaincode` service: the peer calls `Connect` and keeps the stream."""

    def __init__(self, package_id: str, chaincode: Chaincode, metrics: Metrics) -> None:
        self._package_id = package_id
        self._chaincode = chaincode
        self._metrics = metrics
        self._streams: set[PeerStream] = set()

    async def Connect(self, _requests: Any, context: Any) -> None:  # noqa: N802 - the service's name for it
        """Serve one peer until it goes away."""
        stream = PeerStream(_GrpcWire(context), self._package_id, self._chaincode, self._metrics)
        self._streams.add(stream)
        self._metrics.streams.inc()
        _log.info("a peer connected from %s", context.peer())
        try:
            await stream.serve()
        finally:
            self._streams.discard(stream)
            self._metrics.streams.dec()
            _log.info("the peer at %s is gone", context.peer())

    def drain(self) -> None:
        """Have every stream finish what is at work and end."""
        for stream in self._streams:
            stream.drain()


class _GrpcWire:
    def __init__(self, context: Any) -> None:
        self._context = context

    async def read(self) -> Any | None:
        message = await self._context.read()
        return None if message is grpc.aio.EOF else message

    async def write(self, message: Any) -> None:
        await self._context.write(message)


async def serve(
    settings: Settings,
    chaincode: Chaincode,
    *,
    stop: asyncio.Event,
    started: Callable[[int], None] = lambda _: None,
) -> None:
    """Serve until `stop` is set; then let the transactions at work finish.

    Args:
        settings: where, with which keys, as which package.
        chaincode: what runs.
        stop: ends it.
        started: is told the port once peers can connect.

    Raises:
        SettingsError: an address is taken.
    """
    metrics = Metrics()
    service = ChaincodeService(settings.package_id, chaincode, metrics)
    state = health.HealthServicer()
    server = grpc.aio.server(options=_OPTIONS)
    add_ChaincodeServicer_to_server(service, server)
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    port = _bind(server, settings.listen, settings.tls)
    with _metrics_served(settings.metrics, metrics):
        await server.start()
        await state.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        _log.info("chaincode %s is served on port %d", settings.package_id, port)
        started(port)
        try:
            await stop.wait()
        finally:
            _log.info("stopping")
            await state.enter_graceful_shutdown()
            service.drain()
            await server.stop(GRACE_S)


def _bind(server: grpc.aio.Server, listen: Address, tls: Callable[[], Tls]) -> int:
    credentials = grpc.dynamic_ssl_server_credentials(
        _certificates(tls()), lambda: _certificates(tls()), require_client_authentication=True
    )
    try:
        return server.add_secure_port(str(listen), credentials)
    except RuntimeError as err:
        raise SettingsError(f"CHAINCODE_SERVER_ADDRESS: cannot listen on {listen}: is it in use?") from err


@lru_cache(maxsize=2)  # one for every handshake would be made anew otherwise
def _certificates(tls: Tls) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(tls.key, tls.certificate)], root_certificates=tls.client_roots
    )


@contextmanager
def _metrics_served(address: Address | None, metrics: Metrics) -> Iterator[None]:
    """Serve the counters for Prometheus, where an address is set."""
    if address is None:
        yield
        return
    try:
        server, thread = start_http_server(address.port, address.host, metrics.registry)
    except OSError as err:
        raise SettingsError(f"CHAINCODE_METRICS_ADDRESS: cannot listen on {address}: {err.strerror}") from err
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
