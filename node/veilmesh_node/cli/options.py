"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
