"""`veilmesh bench`: figures measured on this machine."""

import typer

from veilmesh_node.cli.options import JsonOption

app = typer.Typer(no_args_is_help=True, help="Measure this machine.")


@app.callback()
def bench() -> None:
    """Keep `ledger` a subcommand while it is the only one."""


@app.command()
def ledger(as_json: JsonOption = False) -> None:
    """How many submits and evaluates a second the embedded ledger does, and how long a lone submit takes."""
    import asyncio
    from dataclasses import asdict

    from veilmesh_network.bench import bench_ledger

    from veilmesh_node.cli import output

    with output.step("measuring"):
        result = asyncio.run(bench_ledger(progress=output.note))
    document = {name: round(value, 2) for name, value in asdict(result).items()}
    output.show(document, lambda: output.fields("embedded ledger", document), as_json=as_json)
