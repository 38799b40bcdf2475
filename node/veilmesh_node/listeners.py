"""The node's two gRPC servers: both with mutual TLS, health, and limits on size and number of calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from veilmesh.v1.exchange_pb2_grpc import add_ExchangeServicer_to_server
from veilmesh.v1.node_pb2_grpc import add_NodeServicer_to_server

from veilmesh_node.api import service as api
from veilmesh_node.errors import HomeError
from veilmesh_node.exchange import service as exchange
from veilmesh_node.health import Health
from veilmesh_node.home import Home

GRACE_S = 20.0  # for the calls at work when the node is told to stop
MAX_CONCURRENT_CALLS = 200


@asynccontextmanager
async def exchange_listening(
    address: str, home: Home, service: exchange.ExchangeService, health: Health
) -> AsyncIterator[None]:
    """Take other nodes' calls at `address` while the context is open.

    Raises:
        HomeError: the certificates cannot be used, or the address is taken.
    """
    server = _server(exchange.MAX_MESSAGE_BYTES)
    add_ExchangeServicer_to_server(service, server)  # type: ignore[no-untyped-call]  # generated
    async with _started(server, address, home, home.exchange_roots, health):
        yield


@asynccontextmanager
async def api_listening(
    address: str, home: Home, service: api.NodeService, health: Health
) -> AsyncIterator[None]:
    """Take the organisation's own calls at `address` while the context is open.

    Raises:
        HomeError: as `exchange_listening`.
    """
    server = _server(api.MAX_MESSAGE_BYTES)
    add_NodeServicer_to_server(service, server)  # type: ignore[no-untyped-call]  # generated
    async with _started(server, address, home, home.client_roots, health):
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


def _credentials(home: Home, client_roots: Path) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(home.tls_key.read_bytes(), home.tls_certificate.read_bytes())],
        root_certificates=client_roots.read_bytes(),
        require_client_auth=True,
    )


@asynccontextmanager
async def _started(
    server: grpc.aio.Server, address: str, home: Home, client_roots: Path, health: Health
) -> AsyncIterator[None]:
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    try:
        server.add_secure_port(address, _credentials(home, client_roots))
    except (OSError, RuntimeError) as err:
        raise HomeError(f"cannot listen on {address}: {err}") from err
    await server.start()
    try:
        yield
    finally:
        await health.servicer.enter_graceful_shutdown()
        await server.stop(GRACE_S)
