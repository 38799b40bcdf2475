"""`veilmesh identify`: whose are the faces in this picture, among the references of the own node?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from veilmesh.v1.node_pb2 import IdentifiedFace, IdentifyResponse


def identify(
    photo: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Search for every face of PHOTO among the own node's references. Exit code 0: some were found; 4: none.

    The policy must allow the purpose `identification`. The ledger keeps that a search was made, of how many
    faces, among how many references; whom it found stays here.
    """
    from veilmesh.v1.node_pb2 import IdentifyRequest

    from veilmesh_node.cli import node_api, output

    request = IdentifyRequest(photo=photo.read_bytes())
    response = node_api.call(home, "Identify", request, doing="searching")
    output.show(_document(response), lambda: _show(response), as_json=as_json)
    if not any(face.HasField("reference") for face in response.faces):
        raise typer.Exit(ExitCode.NO_MATCH)


def _document(response: "IdentifyResponse") -> dict[str, Any]:
    return {
        "faces": [_face(face) for face in response.faces],
        "searched": response.searched,
        "left_out": response.left_out,
        "search_tx_id": response.search_tx_id,
        "picture_salt": response.picture_salt.hex(),
        "policy_version": response.policy_version,
    }


def _face(face: "IdentifiedFace") -> dict[str, Any]:
    found = face.reference if face.HasField("reference") else None
    return {
        "name": None if found is None else found.name,
        "reference_id": None if found is None else found.reference_id,
        "similarity": None if found is None else round(found.similarity, 2),
        "clarity": round(face.clarity, 3),
        "box": [face.box.left, face.box.top, face.box.right, face.box.bottom],
        "landmarks": [[point.x, point.y] for point in face.landmarks],
    }


def _show(response: "IdentifyResponse") -> None:
    from veilmesh_node.cli import output

    documents = [_face(face) for face in response.faces]
    output.table(
        f"{len(documents)} faces, {response.searched} references searched",
        ["face", "name", "reference", "similarity", "clarity"],
        [
            [
                ",".join(map(str, face["box"])),
                face["name"] or "-",
                face["reference_id"] or "-",
                "-" if face["similarity"] is None else f"{face['similarity']:.2f}",
                f"{face['clarity']:.2f}",
            ]
            for face in documents
        ],
    )
    if response.left_out:
        output.note(f"{response.left_out} references were left out: of another model, or damaged")
    output.note(f"on record in transaction {response.search_tx_id}" if response.search_tx_id else "no search")
