"""`veilmesh node`: make a node's home, run it, ask how it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veilmesh_node.cli.network import DEFAULT_DIR
from veilmesh_node.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from veilmesh_node.domain.secret import Secret

app = typer.Typer(no_args_is_help=True, help="An organisation's node.")

PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        envvar="VEILMESH_PASSPHRASE_FILE",
        help="A file whose first line opens the node's key; asked for where there is none.",
        show_default=False,
    ),
]


@app.command()
def init(
    home: HomeOption,
    org: Annotated[str, typer.Option(help="Name or MSP id of the organisation, such as org1.")],
    node_id: Annotated[str, typer.Option("--id", help="The node's name in the consortium.")],
    listen: Annotated[str, typer.Option(help="host:port where other nodes reach it.")] = "127.0.0.1:7443",
    api: Annotated[str, typer.Option(help="host:port for its own organisation.")] = "127.0.0.1:7151",
    network: Annotated[
        Path,
        typer.Option(envvar="VEILMESH_NETWORK", help="The network whose authorities issue its certificates."),
    ] = DEFAULT_DIR,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a node's home with certificates of a network on this machine, and its operator's client folder."""
    from veilmesh_node.cli import output, provisioning

    config = provisioning.init_node(
        network,
        org,
        home,
        node_id=node_id,
        listen=listen,
        api=api,
        passphrase=_passphrase(passphrase_file, new=True),
    )
    output.tell(
        {"home": str(home), **config.model_dump(mode="json")},
        f"{home} is ready; start it with: veilmesh node start --home {home}",
        as_json=as_json,
    )


@app.command()
def start(home: HomeOption, passphrase_file: PassphraseOption = None) -> None:
    """Run the node in the foreground until SIGTERM or Ctrl-C; it registers itself on the ledger."""
    import logging

    from veilmesh_node import service

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    service.run(home, _passphrase(passphrase_file, new=False))


@app.command()
def status(home: HomeOption, as_json: JsonOption = False) -> None:
    """Show how the node is: its standing on the ledger, unfinished operations, disagreements."""
    from veilmesh.v1.node_pb2 import GetStatusRequest

    from veilmesh_node.cli import node_api, output

    said = node_api.call(home, "GetStatus", GetStatusRequest())
    document = output.message(said)
    output.show(
        document,
        lambda: output.fields(
            f"node {said.node_id} of {said.msp_id}",
            {
                "registration": said.registration or "none yet",
                "ledger": "reachable" if said.ledger_reachable else "out of reach",
                "roles": ", ".join(said.roles),
                "policy": said.policy_version or "none in force",
                "face model": said.model_digest or "the face library is not installed",
                "generators": "\n    ".join(
                    f"{each.anonymizer} {each.digest}: {each.status or 'nobody voted for it yet'}"
                    for each in said.generators
                )
                or "none",
                "references": said.reference_count,
                "started": output.moment(said.started_at_s),
                "unfinished": "; ".join(
                    f"{each.kind} {each.subject} at {each.step}" for each in said.unfinished
                )
                or "nothing",
                "vault and ledger": "agree"
                if said.agreement_checked and not said.disagreements
                else "; ".join(f"{each.reference_id}: {each.what}" for each in said.disagreements)
                or "could not be compared",
            },
        ),
        as_json=as_json,
    )


def _passphrase(file: Path | None, *, new: bool) -> "Secret":
    """Return the passphrase from a file, or from the terminal.

    Raises:
        typer.BadParameter: neither a file nor a terminal to ask at.
    """
    import sys

    from veilmesh_node.domain.secret import Secret
    from veilmesh_node.home import read_passphrase

    if file is not None:
        return read_passphrase(file)
    if not sys.stdin.isatty():
        raise typer.BadParameter("give --passphrase-file; there is no terminal to ask at")
    typed: str = typer.prompt(
        "passphrase of the node's key", hide_input=True, confirmation_prompt=new, err=True
    )
    return Secret(typed.encode())
