"""Organisations that join and leave a network on this machine, and certificates that it revokes.

What the channel's configuration says comes first; then, on Fabric, the running network takes up or lets go
the organisation's peer and chaincode service. The embedded ledger sees to that by itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from veilmesh_fabric.config_history import ConfigInForce

from veilmesh_network import channel_edits
from veilmesh_network.consortium import Consortium
from veilmesh_network.fabric.start import refresh
from veilmesh_network.network import Network, OrganisationKind

Progress = Callable[[str], None]


def admit(network: Network, name: str, kind: OrganisationKind, progress: Progress) -> ConfigInForce:
    """Make an organisation with its keys, and let it into the channel.

    Args:
        network: running.
        name: such as "org4".
        kind: member or auditor.
        progress: is told what happens, for people.

    Raises:
        NetworkError: the name does not do, or the organisation is in the channel already.
        ConfigUpdateError, BroadcastError, DeliverError: as `Consortium.change`; it is not let in.
        BringUpError: it is in the channel, but its peer or chaincode service does not come up.
    """
    is_new = all(entry.name != name for entry in network.organisations)
    grown = network.with_organisation(name, kind) if is_new else network
    organisation = grown.organisation(name)

    def edit(root: Any) -> Any:
        definition = organisation.definition()
        if kind is OrganisationKind.AUDITOR:
            return channel_edits.with_auditor(root, organisation.msp_id, definition)
        anchors = grown.anchor_peers(organisation.msp_id)
        return channel_edits.with_member(root, organisation.msp_id, definition, anchors)

    try:
        changed = asyncio.run(Consortium(grown, progress).change(edit))
    except Exception:
        if is_new:
            grown.without_organisation(name)
        raise
    if kind is OrganisationKind.MEMBER:
        _follow(grown, progress)
    return changed


def expel(network: Network, name: str, progress: Progress) -> ConfigInForce:
    """Have a member or auditor leave the channel; return the configuration without it.

    Its folder stays, and `admit` brings it back.

    Raises:
        NetworkError: there is no such organisation, or it is the only member.
        ConfigUpdateError, BroadcastError, DeliverError: as `Consortium.change`; it stays.
        BringUpError: it has left, but the network does not come to rest.
    """
    msp_id = network.organisation(name).msp_id
    is_member = msp_id in network.member_numbers.values()
    changed = asyncio.run(
        Consortium(network, progress).change(lambda root: channel_edits.without(root, msp_id))
    )
    smaller = network.without_organisation(name)
    if is_member:
        _follow(smaller, progress)
    return changed


def revoke(network: Network, name: str, identities: Sequence[str], progress: Progress) -> ConfigInForce:
    """Revoke certificates of an organisation; the ledger refuses their holders from then on.

    Args:
        network: running.
        name: the organisation's.
        identities: as its folder calls them, such as "operator".
        progress: is told what happens, for people.

    Raises:
        NetworkError: there is no such organisation or identity.
        ConfigUpdateError, BroadcastError, DeliverError: as `Consortium.change`.
    """
    organisation = network.organisation(name)
    revocations = organisation.revoke(identities).read_bytes()
    return asyncio.run(
        Consortium(network, progress).change(
            lambda root: channel_edits.with_revocations(root, organisation.msp_id, [revocations])
        )
    )


def _follow(network: Network, progress: Progress) -> None:
    """Have a running Fabric network start and end what its folder says now."""
    if network.fabric is not None:
        progress("peers and chaincode services follow")
        refresh(network)
