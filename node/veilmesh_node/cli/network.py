"""`veilmesh network`: a ledger on this machine, for development: embedded, or real Fabric processes."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.options import FabricOption, JsonOption, OrderersOption, require_fabric

if TYPE_CHECKING:
    from veilmesh_network.fabric.status import FabricStatus
    from veilmesh_network.network import Network
    from veilmesh_network.running import NetworkStatus

app = typer.Typer(no_args_is_help=True, help="A ledger on this machine, for development.")

DirOption = Annotated[
    Path, typer.Option("--dir", envvar="VEILMESH_NETWORK", help="The network's folder.", file_okay=False)
]
DEFAULT_DIR = Path("veilmesh-network")


@app.command()
def up(
    folder: DirOption = DEFAULT_DIR,
    fabric: FabricOption = False,
    orderers: OrderersOption = None,
    orgs: Annotated[
        int | None, typer.Option(min=1, max=100, help="Members, when the network is new.", show_default="3")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="On 127.0.0.1; with --fabric the first of many.",
            show_default="7050, or the last one",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start the ledger, making certificates and the channel's first block where there are none.

    The embedded ledger is one process. With --fabric it is a real Fabric network: the folder remembers.
    """
    from veilmesh_network import running

    from veilmesh_node.cli import output

    require_fabric(orderers, fabric=fabric)
    status = running.up(
        folder,
        members=orgs,
        port=port,
        fabric=fabric,
        orderers=orderers,
        progress=output.note,
    )
    _write_auditor_home(status.network)
    _show(status, as_json=as_json)


@app.command()
def down(folder: DirOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """Stop the ledger; `up` goes on with what it holds."""
    from veilmesh_network import running

    from veilmesh_node.cli import output

    stopped = running.down(folder)
    output.tell(
        {"stopped": stopped},
        "stopped" if stopped else "it was not running",
        as_json=as_json,
    )


@app.command()
def upgrade(
    version: Annotated[str, typer.Argument(help="Of the chaincode, such as 1.1.")],
    folder: DirOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Have all members of a Fabric network run, approve and commit the chaincode as a new version.

    The state stays. Each chaincode service is started again, with the code that is installed on this machine.
    """
    from veilmesh_network import running

    found = running.upgrade(folder, version)
    _show(found, as_json=as_json)


@app.command()
def status(folder: DirOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """Show whether the ledger runs, and how many blocks it has. Exit code 5 while it is down."""
    from veilmesh_network import running

    found = running.status(folder)
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
        "ledger": "embedded" if network.fabric is None else "fabric",
        "pid": status.pid,
        "address": network.address,
        "channel": network.channel,
        "members": [o.msp_id for o in network.organisations if o.kind is OrganisationKind.MEMBER],
        "height": None,
        "auditor_home": str(home),
    }
    if status.running and network.fabric is None:
        document["height"] = height(ClientHome.load(home))
    elif status.running:
        from veilmesh_network.fabric.status import fabric_status

        found = fabric_status(network)
        document |= _of_fabric(network, found)
    output.show(document, lambda: _print(document), as_json=as_json)


def _of_fabric(network: "Network", found: "FabricStatus") -> dict[str, Any]:
    """Return what a Fabric network's status has beside, or instead of, the embedded ledger's."""
    heights = [peer.height for peer in found.peers if peer.height is not None]
    return {
        "height": max(heights, default=None),
        "ready": found.ready,
        "failure": found.failure,
        "ordering": None if network.fabric is None else network.fabric.orderers.value,
        "leader": found.leader,
        "orderers": [asdict(orderer) for orderer in found.orderers],
        "peers": [asdict(peer) for peer in found.peers],
        "chaincode": None if found.chaincode is None else asdict(found.chaincode),
        "processes": [asdict(process) for process in found.processes],
    }


def _print(document: dict[str, Any]) -> None:
    from rich.table import Table

    from veilmesh_node.cli import output

    output.fields(
        f"ledger is {'up' if document['running'] else 'down'}",
        {
            name: ", ".join(value) if name == "members" else value
            for name, value in document.items()
            if name not in {"running", "ready", "orderers", "peers", "chaincode", "processes"}
            and value is not None
        },
    )
    if "processes" not in document:
        return
    heights = {each["name"]: each["height"] for each in document["orderers"]}
    heights |= {each["name"]: each["height"] for each in document["peers"]}
    table = Table("process", "pid", "up since (UTC)", "restarts", "height")
    for each in document["processes"]:
        height = heights.get(each["name"])
        table.add_row(
            each["name"],
            "-" if each["pid"] is None else str(each["pid"]),
            "-" if each["since"] is None else each["since"].removesuffix("+00:00").replace("T", " "),
            str(each["restarts"]),
            "" if height is None else str(height),
        )
    output.results.print(table)
    chaincode = document["chaincode"]
    if chaincode is not None:
        approved = ", ".join(name for name in document["members"] if chaincode["approvals"].get(name))
        output.results.print(
            f"chaincode {chaincode['version']}, sequence {chaincode['sequence']}, approved by {approved}"
        )
    _note_troubles(document)


def _note_troubles(document: dict[str, Any]) -> None:
    """Say what a person should look at."""
    from veilmesh_network.fabric.process_log import last_words

    from veilmesh_node.cli import output

    silent = {each["name"] for each in (*document["orderers"], *document["peers"]) if each["height"] is None}
    for process in document["processes"]:
        if process["pid"] is None:
            why = last_words(Path(process["log"])) or f"its log, {process['log']}, does not say why"
            output.note(f"{process['name']} ended, and is started again after a while: {why}")
        elif process["name"] in silent:
            output.note(f"{process['name']} runs, and does not answer: see {process['log']}")
    for peer in document["peers"]:
        if peer["installed"] is False:
            output.note(
                f"{peer['msp_id']} approved package {peer['package']}, which {peer['name']} has not "
                "installed: it endorses nothing. `veilmesh network down`, then `up` approves the right one"
            )
