"""`veilmesh demo`: the whole story on this machine."""

from pathlib import Path
from typing import Annotated

import typer
from veilmesh_network.fabric.plan import Orderers

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.options import FabricOption, JsonOption, OrderersOption, require_fabric


def demo(
    photos: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Real people, NAME/*.jpg with two or more pictures each."
        ),
    ] = None,
    people: Annotated[int, typer.Option(min=1, help="How many of them, in order of name.")] = 5,
    fabric: FabricOption = False,
    orderers: OrderersOption = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep homes, ledger and logs in this new folder, to look at.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring up three organisations and an auditor, and hold every claim of the story against what happens."""
    import tempfile

    from veilmesh_node.cli import output
    from veilmesh_node.cli.interruption import sigterm_interrupts
    from veilmesh_node.demo.consortium import Consortium
    from veilmesh_node.demo.pictures import people_of, portrait
    from veilmesh_node.demo.report import Line, Report
    from veilmesh_node.demo.story import Story

    def told(line: Line) -> None:
        mark = "[green]held[/green]" if line.held else "[red]BROKEN[/red]"
        output.notes.print(f"{line.chapter}  {mark}  {line.claim} [dim]({line.elapsed_s:.1f} s)[/dim]")
        if not line.held:
            output.notes.print(f"   {line.happened}", markup=False)

    require_fabric(orderers, fabric=fabric)
    if keep is not None and keep.exists():
        raise typer.BadParameter(f"{keep} exists already; name a new folder", param_hint="--keep")
    with sigterm_interrupts(), tempfile.TemporaryDirectory(prefix="veilmesh-demo-") as temporary:
        kind = ("--fabric", "--orderers", orderers or Orderers.RAFT) if fabric else ()
        consortium = Consortium(keep.resolve() if keep else Path(temporary), kind)
        consortium.folder.mkdir(parents=True, exist_ok=True)
        cast = people_of(photos, people) if photos else [portrait(consortium.folder / "pictures")]
        report = Report(on_line=told)
        try:
            Story(consortium, cast, report).tell()
        finally:
            consortium.stop()
    output.show(
        report.document(),
        lambda: output.table(
            "The story", ["", "what was to happen", "what happened", "", "time"], report.rows()
        ),
        as_json=as_json,
    )
    if not report.held:
        raise typer.Exit(ExitCode.FAILED)
