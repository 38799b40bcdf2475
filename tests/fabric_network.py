"""A real Fabric network as tests see it: who is in it, how to act as them, what runs.

    async def test_it(fabric_network: FabricNetwork) -> None:
        async with fabric_network.contract("Org1MSP") as contract:
            await contract.submit("policy:Propose", request)

`fabric_network` and `fabric_bft_network` (`tests/conftest.py`) come up once a test run and are shared: who
kills processes, or changes the channel, brings up a network of its own with `running_network`.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import FoundConsortium
from veilmesh_fabric import Contract, EndorseError, Gateway, RetryPolicy, SigningIdentity, connect
from veilmesh_network import running
from veilmesh_network.certificates import NodeRole
from veilmesh_network.errors import BinariesError, NetworkError
from veilmesh_network.fabric.binaries import Release, find_binaries
from veilmesh_network.fabric.plan import Orderers, PortPlan
from veilmesh_network.fabric.processes import process_table, processes_file
from veilmesh_network.fabric.status import FabricStatus, fabric_status
from veilmesh_network.loopback import free_ports
from veilmesh_network.network import AUDITOR, OPERATOR, Network

NEEDS_FABRIC = "needs Fabric's binaries: the last line of the run says how to have them"

_PORTS = PortPlan.span(members=6)  # 100, with members who may come to be


def _first_ports() -> Iterator[int]:
    """Yield where networks may begin: other test runs elsewhere, and the workers of one never at the same."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    run = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    yield from range(20_000 + (run * 7 % 50 + worker) * _PORTS, 32_000, workers * _PORTS)


_starts = _first_ports()


@dataclass(frozen=True, slots=True)
class FabricNetwork:
    """A network that is up."""

    network: Network

    @property
    def members(self) -> list[str]:
        """The members' MSP ids, Org1MSP first."""
        return list(self.network.member_numbers.values())

    @property
    def auditor(self) -> str:
        """The auditing organisation's MSP id."""
        return self.network.auditors[0].msp_id

    @property
    def tls_roots(self) -> bytes:
        return self.network.tls_roots.read_bytes()

    @property
    def genesis(self) -> bytes:
        return self.network.channel_block.read_bytes()

    def identity(self, msp_id: str, name: str | None = None) -> SigningIdentity:
        """Return a member's operator, the auditor, or whoever is named: "admin", "peer0", or issued later."""
        organisation = self.network.organisation(msp_id)
        if name is None:
            name = AUDITOR if msp_id == self.auditor else OPERATOR
        return SigningIdentity.from_msp_folder(organisation.identity(name).msp_dir, msp_id)

    def node(self, msp_id: str, name: str = "node1") -> SigningIdentity:
        """Return a node's identity in a member organisation, issued when first asked for."""
        organisation = self.network.organisation(msp_id)
        if not (organisation.dir / "identities" / name).exists():
            organisation.issue(name, role=NodeRole.CLIENT, attributes={"role": "node"}, tls_hosts=())
        return self.identity(msp_id, name)

    @asynccontextmanager
    async def gateway(
        self,
        msp_id: str,
        identity: SigningIdentity | None = None,
        *,
        through: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> AsyncIterator[Gateway]:
        """Open the gateway of an organisation's own peer, as its operator if nobody else is given.

        Args:
            msp_id: the identity's organisation.
            identity: who acts.
            through: the member whose peer is used instead.
            retry: as `Gateway`.
        """
        address = self.network.gateways(through or msp_id)[0]
        async with connect(address, self.tls_roots) as channel:
            yield Gateway(channel, identity or self.identity(msp_id), retry=retry)

    @asynccontextmanager
    async def contract(
        self,
        msp_id: str,
        identity: SigningIdentity | None = None,
        *,
        through: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> AsyncIterator[Contract]:
        """Open the consortium's contract; arguments as `gateway`."""
        async with self.gateway(msp_id, identity, through=through, retry=retry) as gateway:
            yield gateway.contract(self.network.channel, self.network.chaincode)

    def status(self) -> FabricStatus:
        """Ask every process; outside of a running event loop only (or in a thread)."""
        return fabric_status(self.network)

    def pid(self, name: str) -> int:
        """Return the process id of such as "orderer1.example.com", "peer0.org1..." or "chaincode.org1..."."""
        table = process_table(processes_file(self.network))
        assert table is not None
        (found,) = [each for each in table.processes if each.name == name]
        assert found.pid is not None
        return found.pid

    def pids(self) -> list[int]:
        table = process_table(processes_file(self.network))
        assert table is not None
        return [table.supervisor, *(each.pid for each in table.processes if each.pid is not None)]


def require_binaries() -> None:
    """Skip where Fabric's binaries are missing: one line in pytest's summary, with the number of tests."""
    try:
        find_binaries()
    except BinariesError:
        pytest.skip(NEEDS_FABRIC)


def free_first_port() -> int:
    """Return a first port of which no other test has had any, all of them free now."""
    return free_ports(_PORTS, _starts)


@contextmanager
def running_network(
    folder: Path, *, orderers: Orderers = Orderers.RAFT, members: int = 3
) -> Iterator[FabricNetwork]:
    """Bring a network up in `folder`, which is new, and down again; skip where there are no such orderers."""
    require_binaries()
    if orderers is Orderers.BFT and find_binaries().release is Release.V2_5:
        with pytest.raises(NetworkError, match="SmartBFT orderers need Fabric 3"):
            running.up(folder, members=members, orderers=orderers, port=free_first_port())
        pytest.skip("Fabric 2.5 has no SmartBFT: that `up` says so was seen")
    up = running.up(folder, members=members, orderers=orderers, port=free_first_port())
    try:
        yield FabricNetwork(up.network)
    finally:
        running.down(folder)


async def found_consortium(network: FabricNetwork) -> None:
    """Found the consortium of all members and the auditor, unless that was done before."""
    request = FoundConsortium(members=sorted(network.members), auditors=[network.auditor])
    async with network.contract(network.members[0]) as contract:
        try:
            await contract.submit("registry:FoundConsortium", request.to_bytes())
        except EndorseError as err:
            refusals = [Refusal.from_message(detail.message) for detail in err.details]
            if not any(refusal and refusal.code is RefusalCode.ALREADY_EXISTS for refusal in refusals):
                raise
