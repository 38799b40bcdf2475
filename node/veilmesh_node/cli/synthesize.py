"""`veilmesh synthesize`: faces that nobody has, and other pictures of one face, drawn on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.options import JsonOption

if TYPE_CHECKING:
    from veilmesh_ml.synthesis.synthesize import Synthesized

app = typer.Typer(no_args_is_help=True, help="Draw faces that nobody has.")

OutOption = Annotated[
    Path, typer.Option("--out", "-o", file_okay=False, help="Folder for the pictures and a sheet of all.")
]
CountOption = Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many.")]


@app.callback()
def synthesize() -> None:
    """Draw faces that nobody has."""


@app.command()
def faces(
    out: OutOption,
    count: CountOption = 16,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds draw equal faces.")] = 0,
    truncation: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Lower: better and more alike; 0: the mean face.")
    ] = 0.7,
    as_json: JsonOption = False,
) -> None:
    """Draw faces of nobody from noise: OUT/face-0000.png and so on, and OUT/sheet.png."""
    from veilmesh_ml.synthesis.synthesize import draw_faces

    from veilmesh_node.cli.progress import progress_bar

    with progress_bar("faces") as on_progress:
        made = draw_faces(out, count, seed, truncation, on_progress)
    _tell(made, as_json=as_json)


@app.command()
def variations(
    out: OutOption,
    photo: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="Of one face.", show_default=False)
    ] = None,
    count: CountOption = 8,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Without PHOTO: whose face, as `faces --seed` draws first.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw one person in other pose, light and expression: OUT/variation-0000.png and so on.

    From a photo its nearest face is looked for first, in some seconds; OUT/projection.png shows it. What the
    face encoder does not take for the same person is dropped, so there may be fewer than asked for.
    """
    from veilmesh_ml.synthesis.synthesize import vary_drawn, vary_photo

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import progress_bar

    if (photo is None) == (seed is None):
        raise typer.BadParameter("give either a PHOTO or --seed", param_hint="PHOTO")
    with progress_bar("variations") as on_progress:
        if photo is not None:
            made = vary_photo(out, photo, count, on_progress)
        else:
            made = vary_drawn(out, seed or 0, count, on_progress)
    if len(made.pictures) < count:
        tried = made.document["tried"]
        output.note(f"{len(made.pictures)} of {count}: the others of {tried} mixtures were somebody else")
    _tell(made, as_json=as_json)


def _tell(made: "Synthesized", *, as_json: bool) -> None:
    from veilmesh_node.cli import output

    document: dict[str, Any] = {
        **made.document,
        "pictures": [str(path) for path in made.pictures],
        "sheet": None if made.sheet is None else str(made.sheet),
    }
    output.tell(
        document,
        f"{len(made.pictures)} pictures, all on {made.sheet}" if made.sheet else "no picture",
        as_json=as_json,
    )
