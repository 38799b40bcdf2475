"""`veilmesh audit`: verify the ledger from its blocks, and read what happened.

An auditor needs a read-only identity and the channel's first block, and trusts nothing else: no single peer
either, so `verify` reads from those of several organisations at once. `export` writes the blocks to a folder,
so that `verify --blocks` can work offline, on any machine, later.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.options import HomeOption, JsonOption, ReferenceArgument
from veilmesh_node.cli.shared_options import with_options

if TYPE_CHECKING:
    from veilmesh_fabric.gateway_address import GatewayAddress

    from veilmesh_node.audit.report import Audit

app = typer.Typer(no_args_is_help=True, help="Verify the ledger from its blocks alone; read what happened.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be verified, and against what."""

    home: Annotated[
        Path | None,
        typer.Option(
            "--home",
            envvar="VEILMESH_HOME",
            help="The identity that reads a live ledger.",
            show_default=False,
        ),
    ] = None
    blocks: Annotated[
        Path | None,
        typer.Option(
            "--blocks",
            exists=True,
            file_okay=False,
            help="A folder of NNNN.block files instead; works offline.",
        ),
    ] = None
    anchor: Annotated[
        Path | None,
        typer.Option(
            "--anchor",
            exists=True,
            dir_okay=False,
            help="The first block, from a source you trust; else the home's, or the first one in the folder.",
        ),
    ] = None
    peer: Annotated[
        list[str] | None,
        typer.Option(
            "--peer",
            metavar="HOST:PORT",
            help="A peer to compare with the others, once for each; else the home's gateways.",
            show_default=False,
        ),
    ] = None
    tls_roots: Annotated[
        Path | None,
        typer.Option(
            "--tls-roots",
            exists=True,
            dir_okay=False,
            help="What vouches for peers of organisations that the first block does not name; "
            "else the home's.",
        ),
    ] = None
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            dir_okay=False,
            help="A file that remembers how far this channel is verified; the next run goes on there.",
        ),
    ] = None
    wait_s: Annotated[
        float,
        typer.Option("--wait", min=0.1, help="Seconds that a peer may take for a block, or to catch up."),
    ] = 15.0


@app.command()
@with_options(Asked)
def verify(asked: Asked, as_json: JsonOption = False) -> None:
    """Verify every block, and that all peers have the same. Exit code 6 on any violation."""
    from veilmesh_node.audit import report
    from veilmesh_node.cli import output

    found = _audit(asked, tells=False)
    document = report.verified(found)
    output.show(document, lambda: _show(document), as_json=as_json)
    if not document["holds"]:
        raise typer.Exit(ExitCode.INTEGRITY)


@app.command("report")
@with_options(Asked)
def write_report(
    asked: Asked,
    folder: Annotated[Path, typer.Argument(help="Where report.json and report.html are written.")],
    as_json: JsonOption = False,
) -> None:
    """Verify as `verify` does, and write who decided what into FOLDER, as JSON and as a page."""
    import json

    from veilmesh_node.audit import page, report
    from veilmesh_node.cli import output

    found = _audit(asked, tells=True)
    document = report.document(found)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    (folder / "report.html").write_text(page.html(document))
    output.note(f"{folder / 'report.json'} and {folder / 'report.html'} are written")
    output.show(document, lambda: _show(document["verified"]), as_json=as_json)
    if not document["verified"]["holds"]:
        raise typer.Exit(ExitCode.INTEGRITY)


def _audit(asked: Asked, *, tells: bool) -> "Audit":
    """Verify what is asked; with `tells` or a checkpoint, write the chronicle along with it."""
    from veilmesh_network.network import CHAINCODE

    from veilmesh_node.cli import verifying
    from veilmesh_node.cli.client_home import ClientHome

    client = None if asked.home is None or asked.blocks is not None else ClientHome.load(asked.home)
    chaincode = client.chaincode if client else CHAINCODE
    scope = verifying.Scope(
        anchor=asked.anchor,
        checkpoint=asked.checkpoint,
        chaincode=chaincode if tells or asked.checkpoint else None,
        wait_s=asked.wait_s,
    )
    if asked.blocks is not None:
        if asked.peer:
            raise typer.BadParameter("--peer is for a live ledger, --blocks for a folder: give one of them")
        return verifying.audit_folder(asked.blocks, scope)
    if client is not None:
        return verifying.audit_live(client, scope, _addresses(asked.peer or []), asked.tls_roots)
    raise typer.BadParameter("give --home for a live ledger, or --blocks for a folder of block files")


def _addresses(peers: list[str]) -> "list[GatewayAddress]":
    from veilmesh_fabric.gateway_address import GatewayAddress

    try:
        addresses = [GatewayAddress.parse(each) for each in peers]
    except ValueError as err:
        raise typer.BadParameter(f"--peer: {err}") from err
    if len({each.address for each in addresses}) < len(addresses):
        raise typer.BadParameter("--peer names one peer twice, which would be compared with itself")
    return addresses


@app.command()
def export(
    folder: Annotated[
        Path, typer.Argument(help="Where to write NNNN.block files; goes on where it stopped.")
    ],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Copy the ledger's blocks into FOLDER."""
    from veilmesh_node.cli import auditing, output
    from veilmesh_node.cli.client_home import ClientHome

    count = auditing.export(ClientHome.load(home), folder)
    output.tell(
        {"blocks": count, "folder": str(folder)},
        f"{count} blocks in {folder}",
        as_json=as_json,
    )


@app.command()
def trail(reference_id: ReferenceArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Print all that happened to a reference: its versions, and every authentication against it."""
    from veilmesh_chaincode.records.audit import GetTrail, Trail

    from veilmesh_node.cli import ledger, output

    history, authentications, bookmark = [], [], ""
    while True:
        page = ledger.evaluate(
            home, "audit:Trail", GetTrail(reference_id=reference_id, bookmark=bookmark), Trail
        )
        history += page.history
        authentications += page.authentications
        bookmark = page.bookmark
        if not bookmark:
            break
    rows: list[tuple[int, str, str, str]] = [
        (entry.at_s, f"reference version {entry.reference.version}", entry.reference.status, entry.tx_id)
        for entry in history
    ]
    rows += [
        (
            authentication.opened_at_s,
            f"authentication by {authentication.relying_msp_id} for {authentication.purpose}",
            authentication.outcome or authentication.status,
            authentication.authentication_id,
        )
        for authentication in authentications
    ]
    output.show(
        {
            "reference_id": reference_id,
            "history": [entry.model_dump(mode="json") for entry in history],
            "authentications": [entry.model_dump(mode="json") for entry in authentications],
        },
        lambda: output.table(
            f"reference {reference_id}",
            ["time", "what", "state", "transaction"],
            [[output.moment(at_s), what, state, tx_id] for at_s, what, state, tx_id in sorted(rows)],
        ),
        as_json=as_json,
    )


def _show(said: dict[str, Any]) -> None:
    from veilmesh_node.cli import output

    blocks = f"{said['blocks']}"
    if said["verified_before"]:
        blocks += f", {said['verified_before']} of them verified before"
    values = {
        "channel": said["channel"],
        "blocks": blocks,
        "transactions": ", ".join(f"{count} {name}" for name, count in said["codes"].items()),
        "signatures": f"{said['signatures']} checked; this run took {said['elapsed_s']:.2f} s",
        "peers": ", ".join(f"{peer['name']} ({peer['height']} blocks)" for peer in said["peers"]),
        "organisations": ", ".join(said["organizations"]),
        "last block hash": said["last_header_hash"],
    }
    violation = said["violation"]
    if violation is not None:
        where = f"block {violation['block']}" + (
            f", transaction {violation['transaction']}" if violation["transaction"] else ""
        )
        values["violation"] = f"{where}: {violation['message']} [{violation['rule']}]"
        for name, why in violation["blamed"].items():
            values[f"wrong at {name}"] = why
    if said["taken_on_trust"]:
        values["taken on trust"] = "; ".join(said["taken_on_trust"])
    output.fields("the chain holds" if said["holds"] else "THE CHAIN DOES NOT HOLD", values)
