"""`veilmesh audit`: verify the ledger from its blocks, and read what happened.

An auditor needs a read-only identity and the channel's first block, and trusts nothing else. `export` writes
the blocks to a folder, so that `verify --blocks` can work offline, on any machine, later.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.options import HomeOption, JsonOption, ReferenceArgument

if TYPE_CHECKING:
    from veilmesh_fabric.verification_report import VerificationReport

app = typer.Typer(no_args_is_help=True, help="Verify the ledger from its blocks alone; read what happened.")


@app.command()
def verify(
    home: Annotated[
        Path | None,
        typer.Option(
            envvar="VEILMESH_HOME", help="The identity that reads a live ledger.", show_default=False
        ),
    ] = None,
    blocks: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="A folder of NNNN.block files instead; works offline."
        ),
    ] = None,
    anchor: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The first block, from a source you trust; else the first one read.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify every block: hashes, signatures, policies, conflicts. Exit code 6 on any violation."""
    from veilmesh_node.cli import auditing, output
    from veilmesh_node.cli.client_home import ClientHome

    if blocks is not None:
        report = auditing.verify_folder(blocks, anchor)
    elif home is not None:
        report = auditing.verify_live(ClientHome.load(home), anchor)
    else:
        raise typer.BadParameter("give --home for a live ledger, or --blocks for a folder of block files")
    document = auditing.document(report)
    output.show(document, lambda: _show(report), as_json=as_json)
    if report.violation is not None:
        raise typer.Exit(ExitCode.INTEGRITY)


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
    output.show(
        {"blocks": count, "folder": str(folder)},
        lambda: output.results.print(f"{count} blocks in {folder}"),
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


def _show(report: "VerificationReport") -> None:
    from veilmesh_node.cli import auditing, output

    said = auditing.document(report)
    transactions = ", ".join(f"{count} {name}" for name, count in said["codes"].items())
    output.fields(
        "the chain holds" if report.holds else "THE CHAIN DOES NOT HOLD",
        {
            "channel": said["channel"],
            "blocks": said["blocks"],
            "transactions": transactions,
            "signatures": f"{said['signatures']} checked in {said['elapsed_s']:.2f} s",
            "organisations": ", ".join(said["organizations"]),
            "last block hash": said["last_header_hash"],
            **({"violation": str(report.violation)} if report.violation else {}),
            **({"taken on trust": "; ".join(said["taken_on_trust"])} if said["taken_on_trust"] else {}),
        },
    )
