"""`veilmesh train`: build what an anonymizer ships as weights, from photos you name; nothing is sent."""

from pathlib import Path
from typing import Annotated

import typer

from veilmesh_node.cli.options import JsonOption

app = typer.Typer(no_args_is_help=True, help="Build an anonymizer's weights from photos.")


@app.callback()
def train() -> None:
    """Build an anonymizer's weights from photos."""


@app.command()
def bank(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            help="Photos of faces, NAME/*.jpg, or named as UTKFace's; may be given again.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", dir_okay=False, help="The bank's file.")],
    initials: Annotated[
        str, typer.Option(metavar="A-Z", help="Only people NAME/ with these initials; the rest can judge it.")
    ] = "A-Z",
    clusters: Annotated[int, typer.Option(min=1, max=2000, help="Donors to look for.")] = 430,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the clustering; equal photos and seed, equal bank.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Build the bank of averaged faces for the anonymizer `cluster`.

    Every donor is the average of 16 people or more. The faces found are kept in OUT.faces.sqlite, so a run
    that was stopped goes on: delete it with the photos.
    """
    from veilmesh_ml import load_engine
    from veilmesh_ml.image import write_atomically
    from veilmesh_ml.surrogate.bank import decode_bank, encode_bank
    from veilmesh_ml.train.bank import build_bank
    from veilmesh_ml.train.photo_folder import FaceStore, data_digest, photos_of, read_faces

    from veilmesh_node.cli import output
    from veilmesh_node.cli.progress import progress_bar

    first, _, last = initials.upper().partition("-")
    photos = photos_of(data, (first, last or first))
    with FaceStore(out.with_name(f"{out.name}.faces.sqlite")) as store, progress_bar("photos") as on_photo:
        faces, frame = read_faces(photos, store, load_engine("fast"), on_photo)
    with progress_bar("clusters") as on_cluster:
        built = build_bank(faces, frame, clusters=clusters, seed=seed, progress=on_cluster)
    content = encode_bank(built)
    write_atomically(out, content)
    written = decode_bank(content)
    document = {
        "bank": str(out),
        "sha256": written.digest,
        "bytes": len(content),
        "donors": written.donors,
        "fewest_people": int(written.people.min()),
        "data_sha256": data_digest(photos),
        "photos": len(photos),
        "faces": len(faces),
        "people": int(faces.people.max()) + 1,
    }
    output.show(document, lambda: _show(document), as_json=as_json)


def _show(document: dict[str, object]) -> None:
    from veilmesh_node.cli import output

    output.results.print(
        f"{document['donors']} donors from {document['people']} people into {document['bank']}, "
        f"SHA-256 {document['sha256']}",
        markup=False,
    )
