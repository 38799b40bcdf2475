"""A Fabric network from nothing, or from where it was left, to answering calls.

In order:

1. the orderers run, have joined the channel and have a leader (`ordering_service.py`);
2. the peers run, have joined the channel and fetched the blocks it has: before the one that lets a member in,
   its own peer does not know it;
3. each peer has its member's package of the chaincode installed, in the version that the folder wants;
4. each member of the channel has approved that definition, under its own package's id;
5. it is committed, as the first one or as an upgrade of what was;
6. the chaincode services run in that version;
7. each peer's chaincode answers, and each gateway knows enough endorsers.

Every step looks first whether it is done already, so running all of them again only does what is new: a
member more, another version. None sleeps: each waits for what it needs, as long as that takes and no longer
than a step may. Last, processes end that belong to nobody any more.
"""

from collections.abc import Callable, Sequence

from veilmesh_network.errors import BringUpError
from veilmesh_network.fabric.binaries import Binaries
from veilmesh_network.fabric.configuration import Program, chaincode_program, peer_program
from veilmesh_network.fabric.credentials import require_credentials
from veilmesh_network.fabric.definition import Definition
from veilmesh_network.fabric.deployment import approve_for, commit_for_all, install, until_usable
from veilmesh_network.fabric.membership import Installation, Member, members_of
from veilmesh_network.fabric.ordering_service import ordered_blocks, start_ordering
from veilmesh_network.fabric.package import member_package
from veilmesh_network.fabric.peer_admin import PeerRefusedError, PeerUnreachableError
from veilmesh_network.fabric.processes import Children
from veilmesh_network.fabric.readiness import STEP_S, NotYetError, until
from veilmesh_network.fabric.steps import Steps, counted, for_all
from veilmesh_network.loopback import HOST
from veilmesh_network.network import Network

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
        CredentialsError: a certificate or key cannot be used.
        NetworkError: the folder does not hold what it should.
    """
    require_credentials(network)
    steps = Steps(children, progress)
    orderers = await start_ordering(network, binaries, children, steps)
    async with members_of(network) as members:
        peers = [peer_program(network, each.organisation, each.ports, binaries) for each in members]
        await steps.take(f"{counted(peers, 'peer')} started", peers, _start_peers(members, peers, children))
        joins = for_all(_join(network, each) for each in members)
        await steps.take(f"channel {network.channel} joined by the peers", peers, joins)
        admitted = await steps.take("blocks fetched by the peers", peers, _catch_up(network, members))
        definition = await _wanted(network, admitted[0])
        installations = [_installation(network, each, definition) for each in admitted]
        what = f"{definition.name} {definition.version}"
        installs = for_all(install(each.member, each.package) for each in installations)
        await steps.take(f"{what} installed", peers, installs)
        approvals = for_all(
            approve_for(each.member, network.channel, definition, each.package) for each in installations
        )
        await steps.take(f"{what} approved by each member", peers, approvals)
        commits = commit_for_all(admitted, network.channel, definition)
        await steps.take(f"{what} committed", peers, commits)
        services = [each.service for each in installations]
        starts = _start_all(services, children)
        await steps.take(f"{counted(services, 'chaincode service')} started", services, starts)
        answers = for_all(until_usable(each, network.channel, network.chaincode, _PROBE) for each in admitted)
        await steps.take("chaincode answers, endorsers known", [*services, *peers], answers)
    await children.retain({program.name for program in (*orderers, *peers, *services)})


async def _start_all(programs: Sequence[Program], children: Children) -> None:
    await for_all(children.start(program) for program in programs)


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


async def _admitted(network: Network, members: Sequence[Member]) -> list[Member]:
    """Return those members whose organisations are in the channel; the first one always is."""
    config = await members[0].peer.configuration(network.channel)
    here = {organization.msp_id for organization in config.application.organizations}
    return [member for member in members if member.msp_id in here]


async def _catch_up(network: Network, members: Sequence[Member]) -> list[Member]:
    """Return the channel's members, when their peers have all blocks that are ordered by now.

    Raises:
        BringUpError: a peer has blocks that no orderer has.
    """
    had = [await _height(network, each) for each in members]
    height = await ordered_blocks(network)
    if max(had) > height:
        ahead = members[had.index(max(had))].peer_name
        raise BringUpError(
            f"{ahead} has {max(had)} blocks and the orderers only {height}: what they order now would be "
            "another chain, which no peer takes; put back what was in their data folders"
        )
    await _caught_up(network, members[0], height)
    admitted = await _admitted(network, members)
    await for_all(_caught_up(network, each, height) for each in admitted)
    return admitted


async def _height(network: Network, member: Member) -> int:
    """Return how many blocks a member's peer has, 0 where it does not say as yet."""
    try:
        return await member.peer.height(network.channel)
    except PeerRefusedError:
        return 0


async def _caught_up(network: Network, member: Member, height: int) -> None:
    """Return when a member's peer has so many blocks, and knows its organisation for one of the channel's."""

    async def fetched() -> None:
        try:
            found = await member.peer.height(network.channel)
        except PeerRefusedError as err:
            raise NotYetError(f"{member.peer_name} does not know {member.msp_id} yet: {err}") from err
        if found < height:
            raise NotYetError(f"{member.peer_name} has {found} of {height} blocks")

    await until(fetched, within_s=STEP_S)


async def _wanted(network: Network, member: Member) -> Definition:
    """Return the definition that the folder wants: the one in force, the first one, or the next one."""
    version = network.require_fabric().chaincode_version
    found = await member.peer.definition(network.channel, network.chaincode)
    if found is None:
        return Definition(network.chaincode, version, 1)
    sequence = found.sequence if found.version == version else found.sequence + 1
    return Definition(network.chaincode, version, sequence)


def _installation(network: Network, member: Member, definition: Definition) -> Installation:
    package = member_package(member.organisation, f"{HOST}:{member.ports.chaincode}", definition.label)
    service = chaincode_program(network, member.organisation, member.ports, package.id)
    return Installation(member, package, service)
