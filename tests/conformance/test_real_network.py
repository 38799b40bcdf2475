"""A network of real peers and orderers, as `network up --fabric` makes it: complete, and usable by all."""

import asyncio
from contextlib import aclosing

import pytest
from veilmesh_chaincode.records.registry import Consortium
from veilmesh_fabric import EvaluateError, SigningIdentity, SubmitError, blocks, connect, verify_blocks
from veilmesh_network import running
from veilmesh_network.certificates import CertificateAuthority, NodeRole
from veilmesh_network.fabric.configuration import ProgramKind

from tests.fabric_network import FabricNetwork, found_consortium


@pytest.fixture(scope="module", params=["raft", "bft"])
def network(request: pytest.FixtureRequest) -> FabricNetwork:
    found: FabricNetwork = request.getfixturevalue(
        {"raft": "fabric_network", "bft": "fabric_bft_network"}[request.param]
    )
    return found


def test_everything_runs_and_agrees(network: FabricNetwork) -> None:
    status = network.status()
    orderers = network.network.orderer_names()
    kinds = [process.kind for process in status.processes]
    assert status.ready
    assert all(process.pid is not None and process.restarts == 0 for process in status.processes)
    assert kinds.count(ProgramKind.ORDERER) == len(orderers) == len(status.orderers)
    assert kinds.count(ProgramKind.PEER) == kinds.count(ProgramKind.CHAINCODE) == 3
    assert set(status.heights) == set(network.members)
    assert all(height is not None for height in status.heights.values())
    assert all(orderer.height is not None for orderer in status.orderers)
    assert [orderer.leads for orderer in status.orderers].count(True) == 1
    assert status.chaincode is not None
    assert (status.chaincode.version, status.chaincode.sequence) == ("1.0", 1)
    assert all(status.chaincode.approvals[msp_id] for msp_id in network.members)
    assert len({peer.package for peer in status.peers}) == 3  # each member's own


def test_up_again_while_it_is_up_does_nothing(network: FabricNetwork) -> None:
    before = network.pids()
    said: list[str] = []
    running.up(network.network.folder, progress=said.append)
    assert network.pids() == before
    assert len(said) == 1


async def test_members_write_through_their_own_peers_and_all_read_it(network: FabricNetwork) -> None:
    await found_consortium(network)
    for msp_id in (*network.members, network.auditor):
        async with network.contract(msp_id) as contract:
            consortium = Consortium.from_bytes(await contract.evaluate("registry:GetConsortium"))
        assert consortium.members == sorted(network.members)


async def test_an_auditor_reads_everything(network: FabricNetwork) -> None:
    await found_consortium(network)
    auditor = network.identity(network.auditor)
    chains = set()  # where peers serve the same bytes, one verification does for all
    for msp_id in network.members:
        async with network.gateway(network.auditor, through=msp_id) as gateway:
            information = gateway.contract(network.network.channel, "qscc")
            assert await information.evaluate("GetChainInfo", network.network.channel)
            contract = gateway.contract(network.network.channel, network.network.chaincode)
            async with aclosing(contract.chaincode_events(start_block=0)) as events:
                event = await asyncio.wait_for(anext(events), 10)
            assert event.chaincode_name == network.network.chaincode
        async with connect(network.network.gateways(msp_id)[0], network.tls_roots) as channel:
            stream = blocks(channel, auditor, network.network.channel, stop="newest")
            chains.add(tuple([block.SerializeToString(deterministic=True) async for block in stream]))
    for chain in chains:
        report = verify_blocks(chain, anchor=network.genesis)
        assert report.violation is None
        assert report.blocks == len(chain)


async def test_an_auditor_writes_nothing(network: FabricNetwork) -> None:
    await found_consortium(network)
    auditor = network.identity(network.auditor)
    async with network.gateway(network.auditor) as gateway:
        contract = gateway.contract(network.network.channel, network.network.chaincode)
        proposal = contract.propose("registry:GetConsortium").sign(auditor)
        endorsed = await gateway.calls.endorse(proposal)
        with pytest.raises(SubmitError) as refused:
            await gateway.calls.submit(endorsed.sign(auditor))
    said = [detail.message for detail in refused.value.details] or [refused.value.message]
    assert len(said) > (len(network.network.orderer_names()) - 1) // 3  # more than may lie
    assert all("FORBIDDEN" in message for message in said)


async def test_whom_no_organisation_knows_gets_nothing(network: FabricNetwork) -> None:
    stranger = CertificateAuthority.create("ca.org1.example.com", "org1.example.com")
    pair = stranger.issue_signing("user.org1.example.com", role=NodeRole.CLIENT)
    identity = SigningIdentity.from_pem("Org1MSP", pair.certificate_pem, pair.key_pem)
    async with network.contract("Org1MSP", identity) as contract:
        with pytest.raises(EvaluateError):
            await contract.evaluate("registry:GetConsortium")
