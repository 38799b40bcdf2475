"""`veilmesh bench`: figures measured on this machine."""

import typer

app = typer.Typer(no_args_is_help=True, help="Measure this machine.")


@app.callback()
def bench() -> None:
    """Keep `ledger` a subcommand while it is the only one."""
