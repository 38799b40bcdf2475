"""Trained files that come with the package, and the check that each is the one that was released.

`weights.toml` names every file with its SHA-256, what it was built from and how; each has a card beside it.
"""

import hashlib
import tomllib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from veilmesh_ml.errors import ModelError

if TYPE_CHECKING:
    from veilmesh_ml.surrogate.bank import Bank

__all__ = ["generator_digest", "read_weights", "shipped_bank", "ships", "weights_entry"]


@cache
def shipped_bank() -> "Bank":
    """Return the bank of surrogate faces that comes with the package.

    Raises:
        ModelError: it is missing, or is not the file that `weights.toml` names.
    """
    from veilmesh_ml.surrogate.bank import decode_bank  # noqa: PLC0415 (OpenCV, which networks do not need)

    return decode_bank(read_weights("cluster"), "cluster.npz")


def folder() -> Traversable:
    """Return where the files are."""
    return files(__name__)


def ships(name: str) -> bool:
    """Return whether there is a table of this name in `weights.toml`."""
    try:
        weights_entry(name)
    except ModelError:
        return False
    return True


def generator_digest(name: str) -> str | None:
    """Return the SHA-256 (hex) of an anonymizer's trained network; None where it ships none."""
    if not ships(name):
        return None
    entry = weights_entry(name)
    return str(entry["sha256"]) if "graph" in entry else None


def weights_entry(name: str) -> dict[str, Any]:
    """Return a table of `weights.toml`.

    Raises:
        ModelError: not listed.
    """
    try:
        listed: dict[str, Any] = tomllib.loads(folder().joinpath("weights.toml").read_text(encoding="utf-8"))[
            name
        ]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as err:
        raise ModelError(f"the weights {name!r} are not here: {err}", hint="install veilmesh again") from err
    return listed


def read_weights(name: str, part: str = "file") -> bytes:
    """Return the content of a shipped file, after checking its digest.

    Args:
        name: its table in `weights.toml`.
        part: `file`, or `graph` of a network.

    Raises:
        ModelError: not listed, missing, or of another digest.
    """
    listed = weights_entry(name)
    try:
        file, expected = listed[part], listed["sha256" if part == "file" else f"{part}_sha256"]
        content = folder().joinpath(file).read_bytes()
    except (OSError, KeyError) as err:
        raise ModelError(f"the weights {name!r} are not here: {err}", hint="install veilmesh again") from err
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ModelError(
            f"{file} has digest {found[:12]}…, expected {expected[:12]}…",
            hint="install veilmesh again: a bank that nobody vouched for may hold somebody's face",
        )
    return content
