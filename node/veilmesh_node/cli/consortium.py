"""`veilmesh network admit`, `expel` and `revoke`: a consortium's life on this machine.

The folder of a development network holds everybody's keys, so an update is made, signed by a majority and
submitted at once. Where organisations have machines of their own, `veilmesh channel` takes the same steps one
by one.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.network import DEFAULT_DIR, DirOption
from veilmesh_node.cli.options import JsonOption

if TYPE_CHECKING:
    from veilmesh_network.network import Network

NameArgument = Annotated[str, typer.Argument(metavar="ORGANISATION", help="Such as org4.")]


def admit(
    name: NameArgument,
    folder: DirOption = DEFAULT_DIR,
    auditor: Annotated[bool, typer.Option("--auditor", help="It reads only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an organisation with its keys, and let it into the channel: its majorities are counted anew."""
    from veilmesh_network import channel_edits
    from veilmesh_network.network import Network, OrganisationKind

    network = Network.load(folder)
    kind = OrganisationKind.AUDITOR if auditor else OrganisationKind.MEMBER
    is_new = all(entry.name != name for entry in network.organisations)
    if is_new:
        network = network.with_organisation(name, kind)
    organisation = network.organisation(name)
    definition = organisation.definition()

    def edit(root: Any) -> Any:
        if auditor:
            return channel_edits.with_auditor(root, organisation.msp_id, definition)
        anchors = network.anchor_peers(organisation.msp_id)
        return channel_edits.with_member(root, organisation.msp_id, definition, anchors)

    try:
        _change(network, organisation.msp_id, edit, as_json=as_json)
    except Exception:
        if is_new:
            network.without_organisation(name)
        raise


def expel(name: NameArgument, folder: DirOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """Have an organisation leave the channel. Its folder stays, and `admit` brings it back."""
    from veilmesh_network import channel_edits
    from veilmesh_network.network import Network

    network = Network.load(folder)
    msp_id = network.organisation(name).msp_id
    _change(network, msp_id, lambda root: channel_edits.without(root, msp_id), as_json=as_json)
    network.without_organisation(name)


def revoke(
    name: NameArgument,
    identities: Annotated[
        list[str],
        typer.Argument(metavar="IDENTITY...", help="Whose certificates: folders of its identities."),
    ],
    folder: DirOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Revoke certificates of an organisation; the ledger refuses their holders from then on."""
    from veilmesh_network import channel_edits
    from veilmesh_network.network import Network

    network = Network.load(folder)
    organisation = network.organisation(name)
    crl = organisation.revoke(identities).read_bytes()
    _change(
        network,
        organisation.msp_id,
        lambda root: channel_edits.with_revocations(root, organisation.msp_id, [crl]),
        as_json=as_json,
    )


def _change(network: "Network", msp_id: str, edit: Callable[[Any], Any], *, as_json: bool) -> None:
    from veilmesh_network import channel_edits
    from veilmesh_network.consortium import Consortium

    from veilmesh_node.cli import output

    changed = asyncio.run(Consortium(network, output.note).change(edit))
    root = changed.config.root
    document: dict[str, Any] = {
        "organisation": msp_id,
        "sequence": changed.config.sequence,
        "block": changed.block_number,
        "members": channel_edits.members(root),
        "auditors": channel_edits.auditors(root),
    }
    output.show(
        document,
        lambda: output.fields(
            f"configuration {changed.config.sequence} is in force",
            {
                "block": changed.block_number,
                "members": ", ".join(document["members"]),
                "auditors": ", ".join(document["auditors"]) or "-",
            },
        ),
        as_json=as_json,
    )
