"""`veilmesh`: the commands, put together, and the one place where a failure becomes an exit code."""

import os
import sys
from collections.abc import Sequence

import typer

from veilmesh_node.cli import (
    anonymize,
    audit,
    bench,
    channel,
    cluster,
    consortium,
    content,
    demo,
    evaluate,
    identify,
    network,
    node,
    policy,
    receipt,
    references,
    registry,
    synthesize,
    train,
    unseal,
    verify,
)
from veilmesh_node.cli.exit import ExitCode

app = typer.Typer(
    name="veilmesh",
    help="Recognise people across a consortium without any member handing out faces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.add_typer(network.app, name="network")
network.app.command()(consortium.admit)
network.app.command()(consortium.expel)
network.app.command()(consortium.revoke)
app.add_typer(channel.app, name="channel")
app.add_typer(node.app, name="node")
app.add_typer(registry.app, name="registry")
app.add_typer(policy.app, name="policy")
for command in (
    references.enrol,
    references.update,
    references.revoke,
    references.erase,
    references.history,
    references.list_references,
):
    app.command(command.__name__.removesuffix("_references"))(command)
app.command("verify")(verify.verify)
app.command("identify")(identify.identify)
app.command("anonymize")(anonymize.anonymize)
app.add_typer(receipt.app, name="receipt")
app.add_typer(content.app, name="content")
app.add_typer(unseal.app, name="unseal")
app.add_typer(audit.app, name="audit")
app.add_typer(cluster.app, name="cluster")
app.add_typer(bench.app, name="bench")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(train.app, name="train")
app.add_typer(synthesize.app, name="synthesize")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code.

    Args:
        arguments: the command line after `veilmesh`; the process's own by default.

    Raises:
        SystemExit: always, with an `ExitCode`.
    """
    # gRPC's core logs each failed handshake on stderr, in words of its own; ours say what it means.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # What it returns is the code of a `typer.Exit`, which a KeyboardInterrupt has become, too, or None.
        leaving = app(words, prog_name="veilmesh", standalone_mode=False)
    except Exception as err:
        from veilmesh_node.cli.failures import report

        raise SystemExit(report(err, as_json="--json" in words)) from err
    if leaving == ExitCode.INTERRUPTED:
        sys.stderr.write("interrupted\n")
    raise SystemExit(leaving or ExitCode.OK)
