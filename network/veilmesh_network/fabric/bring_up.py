"""A Fabric network from nothing, or from where it was left, to answering calls.

In order:

1. the orderers run, have joined the channel and have a leader (`ordering_service.py`);
2. the peers run, and have joined the channel;
3. the chaincode services run, in the version that the channel has agreed on, or else in the first one;
4. each peer has its member's package installed;
5. each member has approved the definition, under its own package's id;
6. the definition is committed;
7. each peer's chaincode answers, and each gateway knows enough endorsers.

Every step looks first whether it is done already, so running all of them again changes nothing. None sleeps:
each waits for what it needs, as long as that takes and no longer than a step may.
"""

from collections.abc import Callable, Sequence

import grpc
from veilmesh_fabric.errors import EndorseError

from veilmesh_network.errors import BringUpError
from veilmesh_network.fabric.binaries import Binaries
from veilmesh_network.fabric.configuration import Program, chaincode_program, peer_program
from veilmesh_network.fabric.definition import Definition, approve, commit
from veilmesh_network.fabric.membership import Installation, Member, members_of
from veilmesh_network.fabric.ordering_service import start_ordering
from veilmesh_network.fabric.package import member_package
from veilmesh_network.fabric.peer_admin import PeerUnreachableError
from veilmesh_network.fabric.processes import Children
from veilmesh_network.fabric.readiness import (
    STEP_S,
    NotYetError,
    chaincode_answers,
    endorsers_known,
    until,
)
from veilmesh_network.fabric.steps import Steps, counted, for_all
from veilmesh_network.network import Network

FIRST_VERSION = "1.0"
"""Of the chaincode, in a network that is new."""

_PROBE = "registry:GetConsortium"  # any answer will do; an admin, who has no role, is refused


async def bring_up(
    network: Network, binaries: Binaries, children: Children, progress: Callable[[str], None]
) -> None:
    """Return when the network answers.

    Args:
        network: a Fabric network.
        binaries: that understand its channel.
        children: where its processes are started, and remain.
        progress: is told of each step, and how long it took.

    Raises:
        BringUpError: a step failed; says which, and the last lines of the logs that may tell why.
        NetworkError: the folder does not hold what it should.
    """
    steps = Steps(children, progress)
    await start_ordering(network, binaries, children, steps)
    async with members_of(network) as members:
        peers = [peer_program(network, each.organisation, each.ports, binaries) for each in members]
        await steps.take(f"{counted(peers, 'peer')} started", peers, _start_peers(members, peers, children))
        joins = for_all(_join(network, each) for each in members)
        await steps.take(f"channel {network.channel} joined by the peers", peers, joins)
        definition = await _agreed(network, members[0])
        installations = [_installation(network, each, definition) for each in members]
        services = [each.service for each in installations]
        await steps.take(
            f"{counted(services, 'chaincode service')} started", services, _start_all(services, children)
        )
        what = f"{definition.name} {definition.version}"
        installs = for_all(_install(each) for each in installations)
        await steps.take(f"{what} installed", peers, installs)
        approvals = for_all(_approve(network, each, definition) for each in installations)
        await steps.take(f"{what} approved by each member", peers, approvals)
        committing = until(lambda: _commit(network, members, definition), within_s=STEP_S)
        await steps.take(f"{what} committed", peers, committing)
        answers = for_all(_answer(network, each) for each in members)
        await steps.take("chaincode answers, endorsers known", [*services, *peers], answers)


async def _start_all(programs: Sequence[Program], children: Children) -> None:
    for program in programs:
        await children.start(program)


async def _start_peers(members: Sequence[Member], programs: Sequence[Program], children: Children) -> None:
    await _start_all(programs, children)
    for member in members:
        await until(lambda each=member: _channels(each), within_s=STEP_S)  # type: ignore[misc]  # its default


async def _channels(member: Member) -> set[str]:
    try:
        return await member.peer.channels()
    except PeerUnreachableError as err:
        raise NotYetError(f"{member.peer_name} does not answer: {err}") from err


async def _join(network: Network, member: Member) -> None:
    if network.channel not in await member.peer.channels():
        await member.peer.join(network.channel_block.read_bytes())


async def _agreed(network: Network, member: Member) -> Definition:
    """Return the definition in force, or the first one where there is none yet."""
    found = await member.peer.definition(network.channel, network.chaincode)
    if found is None:
        return Definition(network.chaincode, FIRST_VERSION, 1)
    return Definition(network.chaincode, found.version, found.sequence)


def _installation(network: Network, member: Member, definition: Definition) -> Installation:
    package = member_package(member.organisation, member.ports, definition.label)
    service = chaincode_program(network, member.organisation, member.ports, package.id)
    return Installation(member, package, service)


async def _install(installation: Installation) -> None:
    peer, package = installation.member.peer, installation.package
    if package.id in await peer.installed():
        return
    found = await peer.install(package.content)
    if found != package.id:
        raise BringUpError(f"{installation.member.peer_name} calls the package {found}, not {package.id}")


async def _approve(network: Network, installation: Installation, definition: Definition) -> None:
    member, package = installation.member, installation.package
    approved = await member.peer.approved_package(network.channel, definition.name, definition.sequence)
    if approved != package.id:
        await approve(member.lifecycle(network.channel), definition, package.id, member.msp_id)


async def _commit(network: Network, members: Sequence[Member], definition: Definition) -> None:
    first = members[0]
    if await first.peer.definition(network.channel, definition.name) is not None:
        return
    try:
        await commit(first.lifecycle(network.channel), definition, [member.msp_id for member in members])
    except EndorseError as err:
        if err.code is grpc.StatusCode.ABORTED:
            raise
        # Its gateway has not heard of all peers yet.
        raise NotYetError(str(err)) from err


async def _answer(network: Network, member: Member) -> None:
    await until(
        lambda: chaincode_answers(member.peer, network.channel, network.chaincode, _PROBE), within_s=STEP_S
    )
    await until(
        lambda: endorsers_known(member.connection, member.admin, network.channel, network.chaincode),
        within_s=STEP_S,
    )
