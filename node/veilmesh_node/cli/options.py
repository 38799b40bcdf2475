"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer
from veilmesh_network.fabric.plan import Orderers

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]

HomeOption = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar="VEILMESH_HOME",
        help="Folder of this identity: a node's home, or a client folder made by `network up`.",
        show_default=False,
    ),
]

KeyOption = Annotated[
    str,
    typer.Option("--key", help="Idempotency key: the same key does the same thing once.", show_default=False),
]

PhotosArgument = Annotated[
    list[Path], typer.Argument(metavar="PHOTO...", exists=True, dir_okay=False, readable=True)
]

ReferenceArgument = Annotated[str, typer.Argument(metavar="REFERENCE")]

FabricOption = Annotated[
    bool, typer.Option("--fabric", help="Real peers and orderers, from binaries on PATH.")
]

OrderersOption = Annotated[
    Orderers | None,
    typer.Option(
        "--orderers",
        help="With --fabric: one Raft orderer, three, or four SmartBFT ones.",
        show_default="raft",
    ),
]


def require_fabric(orderers: Orderers | None, *, fabric: bool) -> None:
    """Return if `--orderers` was left out, or stands beside `--fabric`.

    Raises:
        typer.BadParameter: it stands alone, where there are no orderers to choose.
    """
    if orderers is not None and not fabric:
        raise typer.BadParameter("belongs to --fabric", param_hint="--orderers")


def initials_between(letters: str) -> tuple[str, str]:
    """Return the first and the last of initials as they are given: A-Z, or one letter."""
    first, _, last = letters.upper().partition("-")
    return first, last or first
