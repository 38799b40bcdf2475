"""`veilmesh verify`: is the person in this photo the one behind that reference?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.options import HomeOption, JsonOption, KeyOption

if TYPE_CHECKING:
    from veilmesh.v1.node_pb2 import FaceBox


def verify(
    photo: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    reference_id: Annotated[str, typer.Option("--reference", metavar="REFERENCE")],
    purpose: Annotated[str, typer.Option(help="What for; one of the policy's purposes.")],
    home: HomeOption,
    face: Annotated[
        str,
        typer.Option(
            metavar="LEFT,TOP,RIGHT,BOTTOM",
            help="Mark the face by hand, in pixels, where no detector finds it.",
            show_default=False,
        ),
    ] = "",
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask the reference's owner whether PHOTO shows its person. Exit code 0: match; 4: no match."""
    from veilmesh.v1.node_pb2 import VerifyRequest
    from veilmesh.v1.outcome_pb2 import OUTCOME_MATCH

    from veilmesh_node.cli import node_api, output

    request = VerifyRequest(
        photo=photo.read_bytes(),
        reference_id=reference_id,
        purpose=purpose,
        idempotency_key=key,
        face=_face_box(face) if face else None,
    )
    response = node_api.call(home, "Verify", request, doing="verifying")
    matched = response.outcome == OUTCOME_MATCH
    document = output.message(response) | {"outcome": "match" if matched else "no-match"}
    output.show(
        document,
        lambda: output.fields(
            "MATCH" if matched else "NO MATCH",
            {
                "authentication": response.authentication_id,
                "decided by": response.decider_node_id,
                "concluded in": response.conclusion_tx_id,
                "policy": response.policy_version,
            },
        ),
        as_json=as_json,
    )
    if not matched:
        raise typer.Exit(ExitCode.NO_MATCH)


def _face_box(text: str) -> "FaceBox":
    """Read LEFT,TOP,RIGHT,BOTTOM.

    Raises:
        typer.BadParameter: it is something else.
    """
    from veilmesh.v1.node_pb2 import FaceBox

    try:
        left, top, right, bottom = (int(part) for part in text.split(","))
    except ValueError as err:
        raise typer.BadParameter("give four whole numbers", param_hint="--face") from err
    return FaceBox(left=left, top=top, right=right, bottom=bottom)
