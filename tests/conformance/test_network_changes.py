"""A running network that becomes another: one member more, one less, another chaincode version."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from veilmesh_chaincode.records.registry import Consortium as FoundedConsortium
from veilmesh_fabric.channel_config import Address
from veilmesh_network import running
from veilmesh_network.channel_edits import with_member, without
from veilmesh_network.consortium import Consortium
from veilmesh_network.errors import BringUpError, NetworkError
from veilmesh_network.fabric.plan import Orderers
from veilmesh_network.fabric.start import refresh
from veilmesh_network.loopback import HOST
from veilmesh_network.network import Network, OrganisationKind

from tests.fabric_network import FabricNetwork, found_consortium, running_network


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricNetwork]:
    with running_network(tmp_path_factory.mktemp("changes") / "network", members=2) as network:
        asyncio.run(found_consortium(network))
        yield network


async def _founded(network: FabricNetwork, msp_id: str) -> FoundedConsortium:
    async with network.contract(msp_id) as contract:
        return FoundedConsortium.from_bytes(await contract.evaluate("registry:GetConsortium"))


def test_the_chaincode_is_upgraded_with_its_state_kept(network: FabricNetwork) -> None:
    before = asyncio.run(_founded(network, "Org1MSP"))
    running.upgrade(network.network.folder, "1.1")
    chaincode = network.status().chaincode
    assert chaincode is not None
    assert (chaincode.version, chaincode.sequence) == ("1.1", 2)
    assert asyncio.run(_founded(network, "Org2MSP")) == before


def test_an_upgrade_that_cannot_be(network: FabricNetwork, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"'1\.1 beta' is no version"):
        running.upgrade(network.network.folder, "1.1 beta")
    embedded = Network.create(tmp_path / "embedded", members=1)
    with pytest.raises(NetworkError, match="holds an embedded ledger, no Fabric network"):
        running.upgrade(embedded.folder, "1.1")
    down = Network.create(tmp_path / "down", members=1, orderers=Orderers.RAFT)
    with pytest.raises(NetworkError, match="is down: its members agree on a version while it is up"):
        running.upgrade(down.folder, "1.1")


def test_a_member_joins_and_leaves(network: FabricNetwork) -> None:
    before = Network.load(network.network.folder)
    grown = before.with_organisation("org3", OrganisationKind.MEMBER)
    joining = grown.organisation("org3")
    anchor = Address(HOST, grown.require_fabric().ports.member(3).peer)
    edit = Consortium(grown).change(
        lambda root: with_member(root, joining.msp_id, joining.definition(), anchor_peers=[anchor])
    )
    asyncio.run(edit)
    refresh(grown)
    larger = FabricNetwork(grown)
    status = larger.status()
    assert len(set(status.heights.values())) == 1
    assert status.chaincode is not None
    assert status.chaincode.approvals["Org3MSP"]
    assert asyncio.run(_founded(larger, "Org3MSP")) == asyncio.run(_founded(larger, "Org1MSP"))

    asyncio.run(Consortium(grown).change(lambda root: without(root, "Org3MSP")))
    refresh(grown.without_organisation("org3"))
    names = [process.name for process in network.status().processes]
    assert not [name for name in names if "org3" in name]
    assert asyncio.run(_founded(network, "Org1MSP")).members == ["Org1MSP", "Org2MSP"]


def test_a_change_that_fails_leaves_the_network_running(network: FabricNetwork) -> None:
    now = Network.load(network.network.folder)
    toml = now.folder / "network.toml"
    kept = toml.read_text()
    now.with_organisation("org4", OrganisationKind.MEMBER)
    key = now.folder / "organisations" / "org4.example.com" / "identities" / "peer0" / "tls" / "server.key"
    key.write_text("no key")
    with pytest.raises(BringUpError, match=r"TLS certificate .*server\.crt with key .*server\.key"):
        refresh(now)
    assert network.status().failure is not None
    assert asyncio.run(_founded(network, "Org1MSP")).members == ["Org1MSP", "Org2MSP"]
    toml.write_text(kept)
    refresh(now)
    assert network.status().failure is None
    assert running.down(now.folder)
    running.up(now.folder)
