"""A peer that gets its blocks later than the others, and a node that reads through it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import NodeRole, RegisterNode
from veilmesh_fabric import Gateway
from veilmesh_network.fabric.configuration import fabric_folder
from veilmesh_network.network import tls_of
from veilmesh_node import ledger as node_ledger
from veilmesh_node.ledger import GatewayLedger

from tests.fabric_network import FabricNetwork, found_consortium, running_network
from tests.integration.tcp_proxy import Proxy, proxied

pytestmark = pytest.mark.fabric

PEER = "peer0.org1.example.com"
REGISTRATION = RegisterNode(
    node_id="org2-node",
    endpoint="127.0.0.1:7443",
    tls_certificate_sha256=sha256(b"certificate").hexdigest(),
    sealing_suite="none",
    sealing_public_key="00" * 32,
    roles=[NodeRole.RELYING],
)


@asynccontextmanager
async def blocks_held_up(network: FabricNetwork) -> AsyncIterator[Proxy]:
    """Have Org1's peer pull its blocks, and nothing else, through a proxy."""
    orderer = f"127.0.0.1:{network.network.require_fabric().ports.orderer(1).service}"
    (name,) = network.network.orderer_names()
    root = tls_of(network.network.orderer.identity(name)).root
    async with proxied(orderer) as proxy:
        settings = fabric_folder(network.network) / PEER / "core.yaml"
        override = f'{{from: "{orderer}", to: "{proxy.address}", caCertsFile: "{root}"}}'
        pulling = "  deliveryclient:\n"
        written = settings.read_text()
        assert pulling in written
        settings.write_text(written.replace(pulling, f"{pulling}    addressOverrides: [{override}]\n"))
        os.kill(network.pid(PEER), signal.SIGTERM)  # the supervisor starts it again
        async with asyncio.timeout(30):
            await proxy.connected.wait()
        yield proxy


async def level(network: FabricNetwork, *gateways: Gateway) -> None:
    """Wait until all of them have the same blocks."""
    async with asyncio.timeout(30):
        while True:
            heights = {await gateway.height(network.network.channel) for gateway in gateways}
            if len(heights) == 1:
                return
            await asyncio.sleep(0.05)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[FabricNetwork]:
    with running_network(tmp_path / "network") as running:
        yield running


async def test_a_node_waits_for_what_another_peer_has(
    network: FabricNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an owner's node does that is handed a probe before its peer has the block that it belongs to."""
    await found_consortium(network)
    owner, relying = network.node("Org1MSP"), network.node("Org2MSP")
    async with (
        blocks_held_up(network) as proxy,
        network.gateway("Org1MSP", owner) as behind,
        network.gateway("Org2MSP", relying) as ahead,
    ):
        await level(network, behind, ahead)
        name = {"channel_name": network.network.channel, "chaincode_name": network.network.chaincode}
        ledger = GatewayLedger(behind, **name)
        proxy.hang()
        contract = ahead.contract(*name.values())
        registered = await contract.submit("registry:RegisterNode", REGISTRATION.to_bytes())
        with pytest.raises(Refusal) as unknown:
            await ledger.node(REGISTRATION.node_id)
        assert unknown.value.code is RefusalCode.NOT_FOUND
        monkeypatch.setattr(node_ledger, "BEHIND_WITHIN_S", 0.3)
        assert not await ledger.caught_up(registered.tx_id)
        monkeypatch.setattr(node_ledger, "BEHIND_WITHIN_S", 60.0)  # on a busy machine, too
        waiting = asyncio.create_task(ledger.caught_up(registered.tx_id))
        proxy.flow()
        assert await waiting
        assert (await ledger.node(REGISTRATION.node_id)).node_id == REGISTRATION.node_id
