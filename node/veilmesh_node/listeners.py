"""The node's two gRPC servers: both with mutual TLS, health, and limits on size and number of calls.

Certificate, key and the authorities of clients are read again when their files change: connections that are
made from then on use them.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from veilmesh.v1.exchange_pb2_grpc import add_ExchangeServicer_to_server
from veilmesh.v1.node_pb2_grpc import add_NodeServicer_to_server

from veilmesh_node.api import service as api
from veilmesh_node.certificates import ServerTls
from veilmesh_node.errors import HomeError
from veilmesh_node.exchange import service as exchange
from veilmesh_node.health import Health

GRACE_S = 20.0  # for the calls at work when the node is told to stop
MAX_CONCURRENT_CALLS = 200


@asynccontextmanager
async def exchange_listening(
    address: str, tls: Callable[[], ServerTls], service: exchange.ExchangeService, health: Health
) -> AsyncIterator[None]:
    """Take other nodes' calls at `address` while the context is open.

    Raises:
        HomeError: the certificates cannot be used, or the address is taken.
    """
    server = _server(exchange.MAX_MESSAGE_BYTES)
    add_ExchangeServicer_to_server(service, server)  # type: ignore[no-untyped-call]  # generated
    async with _started(server, address, tls, health):
        yield


@asynccontextmanager
async def api_listening(
    address: str, tls: Callable[[], ServerTls], service: api.NodeService, health: Health
) -> AsyncIterator[None]:
    """Take the organisation's own calls at `address` while the context is open.

    Raises:
        HomeError: as `exchange_listening`.
    """
    server = _server(api.MAX_MESSAGE_BYTES)
    add_NodeServicer_to_server(service, server)  # type: ignore[no-untyped-call]  # generated
    async with _started(server, address, tls, health):
        yield


def _server(max_message_bytes: int) -> grpc.aio.Server:
    return grpc.aio.server(
        maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS,
        options=[
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.so_reuseport", 0),  # a second process at the same address is an error, not a partner
        ],
    )


def _credentials(tls: Callable[[], ServerTls]) -> grpc.ServerCredentials:
    return grpc.dynamic_ssl_server_credentials(
        _configuration(tls()), lambda: _configuration(tls()), require_client_authentication=True
    )


@lru_cache(maxsize=8)  # one for every handshake would be made anew otherwise
def _configuration(tls: ServerTls) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(tls.pair.key_pem, tls.pair.certificate_pem)], root_certificates=tls.client_roots_pem
    )


@asynccontextmanager
async def _started(
    server: grpc.aio.Server, address: str, tls: Callable[[], ServerTls], health: Health
) -> AsyncIterator[None]:
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    try:
        server.add_secure_port(address, _credentials(tls))
    except (OSError, RuntimeError) as err:
        raise HomeError(f"cannot listen on {address}: {err}") from err
    await server.start()
    try:
        yield
    finally:
        await health.servicer.enter_graceful_shutdown()
        await server.stop(GRACE_S)
