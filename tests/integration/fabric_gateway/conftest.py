from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import grpc.aio
import pytest
from fabric_protos.gateway import gateway_pb2_grpc
from fabric_protos.peer import events_pb2_grpc
from veilmesh_fabric import Contract, Gateway, SigningIdentity, connect
from veilmesh_network.certificates import CertificateAuthority

from tests.integration.fabric_gateway.scripted_peer import ScriptedPeer
from tests.unit.fabric.identities import identity
from tests.unit.fabric.manual_clock import ManualClock


@dataclass(frozen=True, slots=True)
class Served:
    """A running peer and what a client needs to reach it."""

    peer: ScriptedPeer
    address: str
    tls_roots_pem: bytes
    authority: CertificateAuthority


@pytest.fixture(scope="session")
def tls_authority() -> CertificateAuthority:
    return CertificateAuthority.create("tlsca.org1.example.com", "org1.example.com")


@asynccontextmanager
async def serving(authority: CertificateAuthority, *, mutual_tls: bool = False) -> AsyncIterator[Served]:
    peer = ScriptedPeer([identity("Org1MSP", "peer0"), identity("Org2MSP", "peer0")])
    pair = authority.issue_tls("peer0.org1.example.com", hosts=("localhost", "127.0.0.1"))
    roots = authority.root.certificate_pem
    server = grpc.aio.server()
    gateway_pb2_grpc.add_GatewayServicer_to_server(peer, server)
    events_pb2_grpc.add_DeliverServicer_to_server(peer, server)
    credentials = grpc.ssl_server_credentials(
        [(pair.key_pem, pair.certificate_pem)], roots if mutual_tls else None, require_client_auth=mutual_tls
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield Served(peer, f"127.0.0.1:{port}", roots, authority)
    finally:
        await server.stop(grace=None)


@pytest.fixture
async def served(tls_authority: CertificateAuthority) -> AsyncIterator[Served]:
    async with serving(tls_authority) as served:
        yield served


@pytest.fixture
def peer(served: Served) -> ScriptedPeer:
    return served.peer


@pytest.fixture
async def channel(served: Served) -> AsyncIterator[grpc.aio.Channel]:
    async with connect(served.address, served.tls_roots_pem) as channel:
        yield channel


@pytest.fixture(scope="session")
def alice() -> SigningIdentity:
    return identity("Org1MSP", "alice")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def contract(channel: grpc.aio.Channel, alice: SigningIdentity, clock: ManualClock) -> Contract:
    return Gateway(channel, alice, clock=clock).contract("veil", "mesh")
