"""A chaincode service on loopback, its authority, and peers to call it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc.aio
from veilmesh_chaincode.runtime import Chaincode
from veilmesh_chaincode.shim.server import serve
from veilmesh_chaincode.shim.settings import Address, Settings, Tls
from veilmesh_network.certificates import CertificateAuthority

from tests.integration.chaincode.remote_peer import dial

PACKAGE_ID = "veilmesh_1.0:" + "ab" * 32


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, and how a peer that it trusts dials it."""

    port: int
    authority: CertificateAuthority
    stop: asyncio.Event

    def dial(self) -> grpc.aio.Channel:
        peer = self.authority.issue_tls("peer0.org1.example.com")
        return dial(self.port, self.roots, peer.certificate_pem, peer.key_pem)

    @property
    def roots(self) -> bytes:
        return self.authority.root.certificate_pem


@asynccontextmanager
async def running(chaincode: Chaincode) -> AsyncIterator[Service]:
    """Serve `chaincode` while the context is open; then stop as the process does on SIGTERM."""
    authority = CertificateAuthority.create("tlsca.org1.example.com", "org1.example.com")
    pair = authority.issue_tls("chaincode", hosts=["localhost", "127.0.0.1"])
    tls = Tls(pair.certificate_pem, authority.root.certificate_pem, pair.key_pem)
    settings = Settings(
        PACKAGE_ID,
        Address("127.0.0.1", 0),
        lambda: tls,
        metrics=None,
    )
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(settings, chaincode, stop=stop, started=port.set_result))
    try:
        yield Service(await port, authority, stop)
    finally:
        stop.set()
        await serving
