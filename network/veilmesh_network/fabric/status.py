"""What a Fabric network's processes say of themselves, asked for at this moment."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.membership import Member, members_of
from veilmesh_network.fabric.ordering_service import Orderer, orderers_of
from veilmesh_network.fabric.peer_admin import InstalledDefinition
from veilmesh_network.fabric.processes import ProcessRecord, process_table, processes_file
from veilmesh_network.network import Network

_PATIENCE_S = 5.0  # with one peer, which may have been stopped


@dataclass(frozen=True, slots=True)
class OrdererStatus:
    name: str
    height: int | None  # None: it does not answer, or has not joined the channel
    leads: bool


@dataclass(frozen=True, slots=True)
class PeerStatus:
    name: str
    msp_id: str
    height: int | None  # None: it does not answer, or has not joined the channel
    package: str | None  # under which package id its organisation approved the chaincode, as far as it knows
    installed: bool | None  # whether it has that package; without it, it endorses nothing


@dataclass(frozen=True, slots=True)
class FabricStatus:
    ready: bool  # False while it is brought up or down
    failure: str | None  # why it is not all that its folder says
    processes: Sequence[ProcessRecord]
    orderers: Sequence[OrdererStatus]
    peers: Sequence[PeerStatus]
    chaincode: InstalledDefinition | None  # as a peer that answers knows it

    @property
    def leader(self) -> str | None:
        return next((orderer.name for orderer in self.orderers if orderer.leads), None)

    @property
    def heights(self) -> Mapping[str, int | None]:
        return {peer.msp_id: peer.height for peer in self.peers}


def fabric_status(network: Network) -> FabricStatus:
    """Ask everyone; who does not answer is told of as such.

    Raises:
        NetworkError: `network` is no Fabric network, or its folder cannot be read.
    """
    return asyncio.run(_ask_all(network))


async def _ask_all(network: Network) -> FabricStatus:
    table = process_table(processes_file(network))
    orderers = await asyncio.gather(*(_ask_orderer(each) for each in orderers_of(network)))
    async with members_of(network) as members:
        definitions = await asyncio.gather(*(_definition(network, each) for each in members))
        found = next((definition for definition in definitions if definition is not None), None)
        peers = await asyncio.gather(*(_ask_peer(network, each, found) for each in members))
    return FabricStatus(
        ready=table is not None and table.ready,
        failure=None if table is None else table.failure,
        processes=[] if table is None else table.processes,
        orderers=orderers,
        peers=peers,
        chaincode=found,
    )


async def _ask_orderer(orderer: Orderer) -> OrdererStatus:
    try:
        status = await orderer.status()
        return OrdererStatus(orderer.name, None if status is None else status.height, await orderer.leads())
    except NetworkError:
        return OrdererStatus(orderer.name, None, leads=False)


async def _definition(network: Network, member: Member) -> InstalledDefinition | None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await member.peer.definition(network.channel, network.chaincode)
    except (NetworkError, TimeoutError):
        return None


async def _ask_peer(network: Network, member: Member, definition: InstalledDefinition | None) -> PeerStatus:
    height, package, installed = None, None, None
    with contextlib.suppress(NetworkError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            height = await member.peer.height(network.channel)
            if definition is not None:
                package = await member.peer.approved_package(
                    network.channel, network.chaincode, definition.sequence
                )
            if package is not None:
                installed = package in await member.peer.installed()
    return PeerStatus(member.peer_name, member.msp_id, height, package, installed)
