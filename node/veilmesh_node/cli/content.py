"""`veilmesh content`: are the members' surrogates in this node's IPFS daemon, and bring them there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from veilmesh_node.content.kubo import KuboDaemon
    from veilmesh_node.content.replication import Difference, Mended, Replication

app = typer.Typer(no_args_is_help=True, help="Surrogates of all members in this node's IPFS daemon.")


@app.command()
def status(home: HomeOption, as_json: JsonOption = False) -> None:
    """Show what the ledger lists and the daemon lacks, and what it still has that is listed no more."""
    import asyncio
    from dataclasses import asdict

    from veilmesh_node.cli import output

    async def ask() -> tuple[dict[str, Any], "Difference"]:
        async with _replication(home) as (daemon, replication):
            return asdict(await daemon.report()), await replication.difference()

    with output.step("comparing"):
        report, difference = asyncio.run(ask())
    document = {"daemon": report, **_document(difference)}
    output.show(document, lambda: _show(report, difference), as_json=as_json)


@app.command()
def sync(home: HomeOption, as_json: JsonOption = False) -> None:
    """Pin every listed surrogate, fetched from other members' daemons; drop what is listed no more."""
    import asyncio

    from veilmesh_node.cli import output

    async def mend() -> "Mended":
        async with _replication(home) as (_, replication):
            return await replication.mend()

    with output.step("fetching"):
        mended = asyncio.run(mend())
    failures = [
        {"cid": each.listed.cid, "owners": list(each.listed.owners), "reason": str(each.error)}
        for each in mended.failures
    ]
    document = {
        "before": _document(mended.before),
        "pinned": list(mended.pinned),
        "unpinned": list(mended.unpinned),
        "collected_blocks": mended.collected_blocks,
        "failures": failures,
    }
    output.show(document, lambda: _tell(mended), as_json=as_json)
    if mended.failures:
        raise typer.Exit(_exit_code(mended))


@asynccontextmanager
async def _replication(home: Path) -> "AsyncIterator[tuple[KuboDaemon, Replication]]":
    """Open the daemon of the node whose home it is, and the ledger as its operator."""
    from veilmesh_node.cli import ledger
    from veilmesh_node.cli.client_home import ClientHome
    from veilmesh_node.config import NodeConfig
    from veilmesh_node.content.kubo import KuboDaemon
    from veilmesh_node.content.replication import Listed, Replication, list_surrogates
    from veilmesh_node.errors import HomeError

    config, client = NodeConfig.load(home), ClientHome.load(home)
    if config.ipfs_api is None:
        raise HomeError(f"{home / 'node.toml'} names no IPFS daemon: set ipfs_api")
    async with ledger.gateway(client) as gateway:
        contract = gateway.contract(client.channel, client.chaincode)

        async def listing() -> dict[str, Listed]:
            return list_surrogates(await ledger.all_references(contract), node_id=config.node_id)

        daemon = KuboDaemon(config.ipfs_api)
        try:
            yield daemon, Replication(daemon, listing)
        finally:
            daemon.close()


def _document(difference: "Difference") -> dict[str, Any]:
    return {
        "listed": difference.listed,
        "missing": [
            {"cid": each.cid, "owners": list(each.owners), "ours": each.ours} for each in difference.missing
        ],
        "surplus": list(difference.surplus),
        "unlisted": list(difference.unlisted),
    }


def _show(report: dict[str, Any], difference: "Difference") -> None:
    from veilmesh_node.cli import output

    output.fields(
        f"daemon {report['address']}",
        {
            "kubo": report["version"],
            "peer id": report["peer_id"],
            "connected to": f"{report['peers']} other daemons",
            "listed": f"{difference.listed} surrogates",
            "pinned": f"{difference.listed - len(difference.missing)} of them",
        },
    )
    rows = [["missing", each.cid, " ".join(each.owners)] for each in difference.missing]
    rows += [["surplus", cid, ""] for cid in difference.surplus]
    rows += [["unlisted", cid, ""] for cid in difference.unlisted]
    if rows:
        output.table("", ["what", "surrogate", "owners"], rows)
    if difference.mendable:
        output.note("mend it with: veilmesh content sync")


def _tell(mended: "Mended") -> None:
    from veilmesh_node.cli import output

    output.results.print(
        f"{mended.before.listed} listed, {len(mended.pinned)} pinned anew, {len(mended.unpinned)} unpinned, "
        f"{mended.collected_blocks} blocks collected"
    )
    for each in mended.failures:
        output.note(f"missing: {each.listed.cid} of {' '.join(each.listed.owners)}: {each.error}")


def _exit_code(mended: "Mended") -> ExitCode:
    """Return what the worst failure means: content that lies, a full disk, or members that are away."""
    from veilmesh_node.errors import ContentMismatchError, ContentNotFoundError, ContentTooLargeError

    errors = [each.error for each in mended.failures]
    if any(isinstance(err, ContentMismatchError | ContentTooLargeError) for err in errors):
        return ExitCode.INTEGRITY
    if all(isinstance(err, ContentNotFoundError) for err in errors):
        return ExitCode.UNAVAILABLE
    return ExitCode.FAILED
