"""`veilmesh bench`: figures measured on this machine."""

import typer

from veilmesh_node.cli.options import JsonOption

app = typer.Typer(no_args_is_help=True, help="Measure this machine.")

LONG_CHAIN_TRANSACTIONS = 8000  # some 33,000 signatures


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


@app.command()
def audit(as_json: JsonOption = False) -> None:
    """How many signatures a second the audit of a long chain checks, beside the machine's bare rate."""
    import asyncio

    from veilmesh_network.bench import BenchSize, bench_ledger

    from veilmesh_node.cli import auditing, output

    chain: list[bytes] = []
    size = BenchSize(submits=LONG_CHAIN_TRANSACTIONS, lone_submits=1, evaluates=1)
    with output.step("making a chain"):
        asyncio.run(
            bench_ledger(
                size, output.note, on_loaded=lambda network: chain.extend(auditing.chain_of(network))
            )
        )
    document = auditing.measure(chain)
    output.show(document, lambda: output.fields("audit", document), as_json=as_json)
