"""`veilmesh network admit`, `expel` and `revoke`: a consortium's life on this machine.

The folder of a development network holds everybody's keys, so an update is made, signed by a majority and
submitted at once. Where organisations have machines of their own, `veilmesh channel` takes the same steps one
by one.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.network import DEFAULT_DIR, DirOption
from veilmesh_node.cli.options import JsonOption

if TYPE_CHECKING:
    from veilmesh_fabric import ConfigInForce

NameArgument = Annotated[str, typer.Argument(metavar="ORGANISATION", help="Such as org4.")]


def admit(
    name: NameArgument,
    folder: DirOption = DEFAULT_DIR,
    auditor: Annotated[bool, typer.Option("--auditor", help="It reads only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an organisation with its keys, and let it into the channel: its majorities are counted anew."""
    from veilmesh_network import admission
    from veilmesh_network.network import Network, OrganisationKind

    from veilmesh_node.cli import output

    kind = OrganisationKind.AUDITOR if auditor else OrganisationKind.MEMBER
    _show(admission.admit(Network.load(folder), name, kind, output.note), as_json=as_json)


def expel(name: NameArgument, folder: DirOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """Have an organisation leave the channel. Its folder stays, and `admit` brings it back."""
    from veilmesh_network import admission
    from veilmesh_network.network import Network

    from veilmesh_node.cli import output

    _show(admission.expel(Network.load(folder), name, output.note), as_json=as_json)


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
    from veilmesh_network import admission
    from veilmesh_network.network import Network

    from veilmesh_node.cli import output

    _show(admission.revoke(Network.load(folder), name, identities, output.note), as_json=as_json)


def _show(changed: "ConfigInForce", *, as_json: bool) -> None:
    from veilmesh_network import channel_edits

    from veilmesh_node.cli import output

    root = changed.config.root
    document: dict[str, Any] = {
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
