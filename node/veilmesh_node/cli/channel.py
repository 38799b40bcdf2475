"""`veilmesh channel`: the channel's configuration, and changes of it that several organisations must sign.

An update is made by one admin into a file, signed by others one after the other, each on their own machine,
and submitted by any of them. Fabric's `peer channel signconfigtx` signs the same files.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from veilmesh_node.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from veilmesh_fabric import ConfigInForce, ConfigUpdateRequest, Gateway


app = typer.Typer(
    no_args_is_help=True, help="The channel's configuration, and changes that several must sign."
)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The update.", dir_okay=False)]
MspIdArgument = Annotated[str, typer.Argument(metavar="MSP_ID", help="Which organisation, as Org4MSP.")]
AnchorOption = Annotated[
    list[str] | None,
    typer.Option("--anchor", metavar="HOST:PORT", help="Where others find its peers; repeat."),
]

Result = TypeVar("Result")


@app.command()
def show(home: HomeOption, as_json: JsonOption = False) -> None:
    """Show the configuration in force: who is in, who orders, what which change takes. Traced to block 0."""
    from veilmesh_node.cli import output
    from veilmesh_node.cli.channel_document import document

    found = document(_in_force(home))
    output.show(found, lambda: _print(found), as_json=as_json)


@app.command()
def admit(
    file: FileArgument,
    msp_id: MspIdArgument,
    msp: Annotated[Path, typer.Option(help="Its MSP folder, without keys.", exists=True, file_okay=False)],
    home: HomeOption,
    auditor: Annotated[bool, typer.Option("--auditor", help="It reads only.")] = False,
    anchor: AnchorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an update that lets an organisation in, as a member whose peers endorse or as an auditor."""
    from veilmesh_network import channel_edits
    from veilmesh_network.msp_folder import read_msp_folder

    definition = read_msp_folder(msp, msp_id)
    anchors = _addresses(anchor)

    def edit(root: Any) -> Any:
        if auditor:
            return channel_edits.with_auditor(root, msp_id, definition)
        return channel_edits.with_member(root, msp_id, definition, anchors)

    _propose(file, home, edit, as_json=as_json)


@app.command()
def expel(file: FileArgument, msp_id: MspIdArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Write an update by which an organisation leaves. The others' majorities are counted anew."""
    from veilmesh_network import channel_edits

    _propose(file, home, lambda root: channel_edits.without(root, msp_id), as_json=as_json)


@app.command()
def revoke(
    file: FileArgument,
    msp_id: MspIdArgument,
    crl: Annotated[
        list[Path], typer.Option(help="A revocation list in PEM; repeat.", exists=True, dir_okay=False)
    ],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Write an update with other revocation lists of an organisation, in the place of those it has."""
    from veilmesh_network import channel_edits

    lists = [path.read_bytes() for path in crl]
    _propose(file, home, lambda root: channel_edits.with_revocations(root, msp_id, lists), as_json=as_json)


@app.command()
def anchors(
    file: FileArgument,
    msp_id: MspIdArgument,
    home: HomeOption,
    anchor: AnchorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an update of where a member's peers are found."""
    from veilmesh_network import channel_edits

    found = _addresses(anchor)
    _propose(file, home, lambda root: channel_edits.with_anchor_peers(root, msp_id, found), as_json=as_json)


@app.command()
def batches(
    file: FileArgument,
    home: HomeOption,
    count: Annotated[int | None, typer.Option(min=1, help="Transactions in a block, at most.")] = None,
    timeout_ms: Annotated[int | None, typer.Option(min=1, help="How long one waits for others.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write an update of when the ordering service closes a block."""
    from veilmesh_network import channel_edits

    _propose(
        file,
        home,
        lambda root: channel_edits.with_batches(root, max_message_count=count, timeout_ms=timeout_ms),
        as_json=as_json,
    )


@app.command()
def inspect(file: FileArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Show what an update changes, whose consent that takes, and who has signed."""
    _tell(file, _read(file), _in_force(home), as_json=as_json)


@app.command()
def sign(
    file: FileArgument,
    home: HomeOption,
    copy: Annotated[
        list[Path] | None,
        typer.Option(help="A copy that others have signed meanwhile; repeat.", exists=True, dir_okay=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Sign an update, in its file, as the identity in `--home`; `inspect` shows what it changes."""
    from veilmesh_fabric import SigningIdentity

    from veilmesh_node.cli.client_home import ClientHome

    client = ClientHome.load(home)
    request = _read(file)
    for other in copy or ():
        request = request.merged(_read(other))
    current = _in_force(home)
    signed = request.signed_by(SigningIdentity.from_msp_folder(client.msp, client.msp_id))
    _write(file, signed)
    _tell(file, signed, current, as_json=as_json)


@app.command()
def submit(
    file: FileArgument,
    home: HomeOption,
    orderer: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:PORT", help="Instead of those in the configuration; repeat."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a signed update into force: send it to the ordering service, wait for its block."""
    from veilmesh_fabric import submit_config_update
    from veilmesh_fabric.ordering import orderer_endpoints

    from veilmesh_node.cli import output

    request = _read(file)

    async def bring(gateway: "Gateway", current: "ConfigInForce") -> "ConfigInForce":
        orderers = orderer_endpoints(current.config, at=orderer)
        return await submit_config_update(request, current, gateway=gateway, orderers=orderers)

    changed = _with_current(home, bring)
    found = {"sequence": changed.config.sequence, "block": changed.block_number}
    output.tell(
        found,
        f"configuration {changed.config.sequence} is in force since block {changed.block_number}",
        as_json=as_json,
    )


def _with_current(folder: Path, work: Callable[["Gateway", "ConfigInForce"], Awaitable[Result]]) -> Result:
    """Do something with the ledger and the configuration in force on it."""
    from veilmesh_fabric import config_in_force

    from veilmesh_node.cli.client_home import ClientHome
    from veilmesh_node.cli.ledger import gateway

    home: ClientHome = ClientHome.load(folder)

    async def run() -> Result:
        async with gateway(home) as opened:
            current = await config_in_force(opened, home.channel, anchor=home.anchor.read_bytes())
            return await work(opened, current)

    return asyncio.run(run())


def _in_force(folder: Path) -> "ConfigInForce":
    async def same(_: "Gateway", current: "ConfigInForce") -> "ConfigInForce":
        return current

    return _with_current(folder, same)


def _propose(file: Path, home: Path, edit: Callable[[Any], Any], *, as_json: bool) -> None:
    from veilmesh_fabric import ConfigUpdateRequest

    current = _in_force(home)
    request = ConfigUpdateRequest.between(current.config, edit(current.config.root))
    _write(file, request)
    _tell(file, request, current, as_json=as_json)


def _tell(file: Path, request: "ConfigUpdateRequest", current: "ConfigInForce", *, as_json: bool) -> None:
    from veilmesh_node.cli import output
    from veilmesh_node.cli.channel_document import update_document

    found = {"file": str(file), **update_document(request, current)}

    def human() -> None:
        rows = [[each["path"], each["kind"], each["before"], each["after"]] for each in found["changes"]]
        output.table("changes", ["what", "", "before", "after"], rows)
        rows = [
            [each["path"], each["policy"], "yes" if each["given"] else "no"] for each in found["consents"]
        ]
        output.table("consent", ["change of", "wants", "given"], rows)
        output.results.print(f"signed by {', '.join(found['signers']) or 'nobody'}", markup=False)

    output.show(found, human, as_json=as_json)


def _print(found: dict[str, Any]) -> None:
    from veilmesh_node.cli import output

    output.fields(
        f"channel {found['channel']}, configuration {found['sequence']} since block {found['block']}",
        {
            "members": ", ".join(each["msp_id"] for each in found["members"]),
            "auditors": ", ".join(each["msp_id"] for each in found["auditors"]) or "-",
            "ordering": f"{found['consensus']}: {', '.join(found['consenters'])}",
            "batches": f"{found['max_message_count']} transactions, or {found['batch_timeout']}",
            "changed": found["changed_at"],
        },
    )
    output.table("", ["policy", "wants"], [[path, rule] for path, rule in found["policies"].items()])


def _addresses(texts: list[str] | None) -> list[Any]:
    from veilmesh_fabric.channel_config import Address

    addresses = []
    for text in texts or ():
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal():
            raise typer.BadParameter(f"{text!r} is not host:port", param_hint="--anchor")
        addresses.append(Address(host, int(port)))
    return addresses


def _read(file: Path) -> "ConfigUpdateRequest":
    from veilmesh_fabric import ConfigUpdateRequest

    return ConfigUpdateRequest.from_bytes(file.read_bytes())


def _write(file: Path, request: "ConfigUpdateRequest") -> None:
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.write_bytes(request.to_bytes())
    unfinished.replace(file)
