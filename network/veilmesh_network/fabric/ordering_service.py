"""The orderers of a network on their way up: started, joined to the channel, led."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from veilmesh_network.fabric.binaries import Binaries
from veilmesh_network.fabric.configuration import Program, orderer_program
from veilmesh_network.fabric.participation import ChannelStatus, OrdererAdmin
from veilmesh_network.fabric.plan import OrdererPorts
from veilmesh_network.fabric.processes import Children
from veilmesh_network.fabric.readiness import STEP_S, NotYetError, leads, until
from veilmesh_network.fabric.steps import Steps, counted, for_all
from veilmesh_network.network import ADMIN, Network, tls_of


@dataclass(frozen=True, slots=True)
class Orderer:
    """One orderer, seen by the ordering organisation's admin."""

    name: str
    channel: str
    ports: OrdererPorts
    admin: OrdererAdmin

    async def status(self) -> ChannelStatus | None:
        """Return how the channel stands there, None where it has not joined.

        Raises:
            NotYetError: it does not answer.
        """
        try:
            return await asyncio.to_thread(self.admin.channel, self.channel)
        except OSError as err:
            raise NotYetError(f"{self.name} does not answer: {err}") from err

    async def leads(self) -> bool:
        """Return whether it leads the consensus.

        Raises:
            NotYetError: it does not answer.
        """
        try:
            return await asyncio.to_thread(leads, self.ports.operations, self.channel)
        except OSError as err:
            raise NotYetError(f"the operations service of {self.name} does not answer: {err}") from err


def orderers_of(network: Network) -> list[Orderer]:
    """Return a Fabric network's orderers, whether they run or not.

    Raises:
        NetworkError: the network is none, or an identity is missing.
    """
    ports = network.require_fabric().ports
    organisation = network.orderer
    tls = tls_of(organisation.identity(ADMIN))
    return [
        Orderer(
            f"{name}.{organisation.domain}",
            network.channel,
            ports.orderer(number),
            OrdererAdmin(ports.orderer(number).admin, tls),
        )
        for number, name in enumerate(network.orderer_names(), start=1)
    ]


async def start_ordering(
    network: Network, binaries: Binaries, children: Children, steps: Steps
) -> list[Program]:
    """Return the orderers' programs when they order the channel.

    Raises:
        BringUpError: a step failed.
        NetworkError: the folder does not hold what it should.
    """
    orderers = orderers_of(network)
    programs = [
        orderer_program(network, name, orderer.ports, binaries)
        for name, orderer in zip(network.orderer_names(), orderers, strict=True)
    ]
    await steps.take(
        f"{counted(programs, 'orderer')} started", programs, _start(orderers, programs, children)
    )
    joins = for_all(_join(network, orderer) for orderer in orderers)
    await steps.take(f"channel {network.channel} joined by the orderers", programs, joins)
    await steps.take("leader chosen", programs, until(lambda: _led(orderers), within_s=STEP_S))
    return programs


async def ordered_blocks(network: Network) -> int:
    """Return how many blocks the orderer has that has the most.

    Raises:
        NotYetError: one does not answer.
    """
    statuses = [await orderer.status() for orderer in orderers_of(network)]
    return max(status.height for status in statuses if status is not None)


async def _start(orderers: Sequence[Orderer], programs: Sequence[Program], children: Children) -> None:
    for program in programs:
        await children.start(program)
    for orderer in orderers:
        await until(orderer.status, within_s=STEP_S)


async def _join(network: Network, orderer: Orderer) -> None:
    if await orderer.status() is None:
        await asyncio.to_thread(orderer.admin.join, network.channel_block)


async def _led(orderers: Sequence[Orderer]) -> None:
    for orderer in orderers:
        if await orderer.leads():
            return
    raise NotYetError("no orderer says that it leads")
