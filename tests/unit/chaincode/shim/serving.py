"""The service on a fake peer's stream, with contracts that a test writes as one function."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache

from fabric_protos.msp.identities_pb2 import SerializedIdentity
from veilmesh_chaincode.chaincode import Response
from veilmesh_chaincode.runtime import Chaincode
from veilmesh_chaincode.shim.metrics import Metrics
from veilmesh_chaincode.shim.stream import PeerStream
from veilmesh_chaincode.shim.stub import TransactionStub
from veilmesh_chaincode.stub import Stub
from veilmesh_network.certificates import CertificateAuthority, NodeRole

from tests.unit.chaincode.shim.fake_peer import FakePeer

PACKAGE_ID = "veilmesh_1.0:" + "ab" * 32

Contract = Callable[[TransactionStub, Sequence[bytes]], Awaitable[bytes]]


class OneContract:
    """Contracts of one function; its result is a success."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    async def invoke(self, stub: Stub, args: Sequence[bytes]) -> Response:
        assert isinstance(stub, TransactionStub)
        return Response(200, "", await self._contract(stub, args))


async def get(stub: TransactionStub, args: Sequence[bytes]) -> bytes:
    """A contract that reads the key named first."""
    return await stub.get_state(args[0].decode()) or b"nothing"


class Waiting:
    """A contract that says when it has begun, and waits to be let go unless it is asked to be quick."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, stub: TransactionStub, args: Sequence[bytes]) -> bytes:
        self.begun.set()
        try:
            if b"quick" not in args:
                await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return await get(stub, args)


@asynccontextmanager
async def serving(
    chaincode: Chaincode, peer: FakePeer | None = None, metrics: Metrics | None = None
) -> AsyncIterator[tuple[FakePeer, PeerStream]]:
    """Serve a peer while the context is open; then the peer hangs up."""
    peer = peer or FakePeer()
    stream = PeerStream(peer, PACKAGE_ID, chaincode, metrics or Metrics())
    task = asyncio.create_task(stream.serve())
    try:
        yield peer, stream
    finally:
        peer.hang_up()
        await task


@lru_cache
def creator(role: str = "node", msp_id: str = "Org1MSP") -> bytes:
    """Return a `SerializedIdentity` with a certificate of that role."""
    authority = CertificateAuthority.create("ca.org1.example.com", "org1.example.com")
    pair = authority.issue_signing("someone", role=NodeRole.CLIENT, attributes={"role": role})
    return bytes(SerializedIdentity(mspid=msp_id, id_bytes=pair.certificate_pem).SerializeToString())


CREATOR = creator()
