"""A running ledger as its tests see it: an address, identities, the channel's first block.

Nothing here knows which ledger it is, so the same tests can be pointed at a real Fabric network.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from veilmesh_chaincode.runtime import Chaincode
from veilmesh_fabric import Contract, Gateway, RetryPolicy, SigningIdentity, blocks, connect
from veilmesh_fabric.ordering import OrdererEndpoint
from veilmesh_fabric.verification import verify_blocks
from veilmesh_fabric.verification_report import VerificationReport
from veilmesh_network.embedded.process import ledger_identities
from veilmesh_network.embedded.server import EmbeddedLedger
from veilmesh_network.network import AUDITOR, OPERATOR, Network

CHANNEL = "veilmesh"
CHAINCODE = "kv"

ONCE = RetryPolicy(attempts=1, conflict_attempts=1)
"""So that a test sees the first outcome."""

FIRST_COMMIT = RetryPolicy(conflict_attempts=1)
"""So that a test sees what becomes of its first transaction; peers a block behind are asked again."""


@dataclass(frozen=True, slots=True)
class Ledger:
    address: str
    tls_roots: bytes
    genesis: bytes
    identities: Mapping[str, SigningIdentity]  # "org1", "org2", "org3": members' clients; "audit": an auditor
    connection: grpc.aio.Channel
    orderers: Sequence[OrdererEndpoint] = ()

    def contract(
        self, who: str = "org1", *, retry: RetryPolicy = FIRST_COMMIT, chaincode: str = CHAINCODE
    ) -> Contract:
        return self.contract_as(self.identities[who], retry=retry, chaincode=chaincode)

    def contract_as(
        self, identity: SigningIdentity, *, retry: RetryPolicy = FIRST_COMMIT, chaincode: str = CHAINCODE
    ) -> Contract:
        return Gateway(self.connection, identity, retry=retry).contract(CHANNEL, chaincode)

    async def height(self) -> int:
        """Return how many blocks there are."""
        stream = blocks(
            self.connection, self.identities["audit"], CHANNEL, start="newest", stop="newest", wait=False
        )
        (last,) = [block.header.number async for block in stream]
        return int(last) + 1

    async def chain(self, start: int = 0) -> list[bytes]:
        """Return every block from `start` on, as an auditor gets them."""
        stream = blocks(self.connection, self.identities["audit"], CHANNEL, start=start, stop="newest")
        return [block.SerializeToString(deterministic=True) async for block in stream]

    async def verify(self) -> VerificationReport:
        """Verify the whole chain from its first block, and return the report."""
        report = verify_blocks(await self.chain(), anchor=self.genesis)
        if report.violation is not None:
            raise report.violation
        return report


@asynccontextmanager
async def embedded(
    network: Network,
    file: Path,
    chaincode: Chaincode,
    chaincodes_of: Mapping[str, Mapping[str, Chaincode]] | None = None,
) -> AsyncIterator[Ledger]:
    """Run the embedded ledger of `network` on `file` in this event loop, with one chaincode, `CHAINCODE`."""
    async with embedded_with(network, file, {CHAINCODE: chaincode}, chaincodes_of) as ledger:
        yield ledger


@asynccontextmanager
async def embedded_with(
    network: Network,
    file: Path,
    chaincodes: Mapping[str, Chaincode],
    chaincodes_of: Mapping[str, Mapping[str, Chaincode]] | None = None,
) -> AsyncIterator[Ledger]:
    """Run the embedded ledger of `network` on `file` in this event loop; arguments as `EmbeddedLedger`."""
    setup = ledger_identities(network)
    ledger = EmbeddedLedger(setup, file, chaincodes, chaincodes_of=chaincodes_of)
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    running = asyncio.create_task(ledger.run("127.0.0.1:0", started=port.set_result, stop=stop))
    await asyncio.wait((running, port), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    address, tls_roots = f"127.0.0.1:{await port}", network.tls_roots.read_bytes()
    async with connect(address, tls_roots) as connection:
        orderers = [OrdererEndpoint(address, tls_roots)]
        yield Ledger(address, tls_roots, setup.genesis, clients(network), connection, orderers)
    stop.set()
    await running


def clients(network: Network) -> dict[str, SigningIdentity]:
    identities = {
        member.domain.partition(".")[0]: SigningIdentity.from_msp_folder(
            member.identity(OPERATOR).msp_dir, member.msp_id
        )
        for member in network.members
    }
    (auditors,) = network.auditors
    identities["audit"] = SigningIdentity.from_msp_folder(auditors.identity(AUDITOR).msp_dir, auditors.msp_id)
    return identities
