"""`veilmesh network`: a ledger on this machine, for development."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.options import JsonOption

if TYPE_CHECKING:
    from veilmesh_network.network import Network, NetworkStatus

app = typer.Typer(no_args_is_help=True, help="A ledger on this machine, for development.")

DirOption = Annotated[
    Path, typer.Option("--dir", envvar="VEILMESH_NETWORK", help="The network's folder.", file_okay=False)
]
DEFAULT_DIR = Path("veilmesh-network")


@app.command()
def up(
    folder: DirOption = DEFAULT_DIR,
    orgs: Annotated[int, typer.Option(min=1, max=100, help="Members, when the network is new.")] = 3,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="On 127.0.0.1.", show_default="7050, or the last one")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start the embedded ledger, making certificates and the channel's first block where there are none."""
    from veilmesh_network import network

    from veilmesh_node.cli import output

    status = network.up(folder, members=orgs, port=port, progress=output.note)
    _write_auditor_home(status.network)
    _show(status, as_json=as_json)


@app.command()
def down(folder: DirOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """Stop the ledger; `up` goes on with what it holds."""
    from veilmesh_network import network

    from veilmesh_node.cli import output

    stopped = network.down(folder)
    output.show(
        {"stopped": stopped},
        lambda: output.results.print("stopped" if stopped else "it was not running"),
        as_json=as_json,
    )


@app.command()
def status(folder: DirOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """Show whether the ledger runs, and how many blocks it has. Exit code 5 while it is down."""
    from veilmesh_network import network

    found = network.status(folder)
    _show(found, as_json=as_json)
    if not found.running:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _auditor_home(network: "Network") -> Path:
    return network.folder / "auditor"


def _write_auditor_home(network: "Network") -> None:
    """Give the auditor a client folder: an identity that reads, and the channel's first block."""
    from veilmesh_network.network import AUDITOR

    from veilmesh_node.cli.provisioning import write_client_home

    (auditor,) = network.auditors
    write_client_home(network, auditor, auditor.identity(AUDITOR), _auditor_home(network))


def _show(status: "NetworkStatus", *, as_json: bool) -> None:
    from veilmesh_network.network import OrganisationKind

    from veilmesh_node.cli import output
    from veilmesh_node.cli.client_home import ClientHome
    from veilmesh_node.cli.live_blocks import height

    network = status.network
    home = _auditor_home(network)
    document: dict[str, Any] = {
        "running": status.running,
        "pid": status.pid,
        "address": network.address,
        "channel": network.channel,
        "members": [o.msp_id for o in network.organisations if o.kind is OrganisationKind.MEMBER],
        "height": height(ClientHome.load(home)) if status.running else None,
        "auditor_home": str(home),
    }
    output.show(
        document,
        lambda: output.fields(
            f"ledger is {'up' if status.running else 'down'}",
            {
                name: ", ".join(value) if isinstance(value, list) else value
                for name, value in document.items()
                if name != "running" and value is not None
            },
        ),
        as_json=as_json,
    )
