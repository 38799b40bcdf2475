"""Trained files that come with the package, and the check that each is the one that was released.

`weights.toml` names every file with its SHA-256, what it was built from and how; each has a card beside it.
"""

import hashlib
import tomllib
from functools import cache
from importlib.resources import files

from veilmesh_ml.errors import ModelError
from veilmesh_ml.surrogate.bank import Bank, decode_bank

__all__ = ["read_weights", "shipped_bank"]


@cache
def shipped_bank() -> Bank:
    """Return the bank of surrogate faces that comes with the package.

    Raises:
        ModelError: it is missing, or is not the file that `weights.toml` names.
    """
    return decode_bank(read_weights("cluster"), "cluster.npz")


def read_weights(name: str) -> bytes:
    """Return the content of a shipped file, after checking its digest.

    Args:
        name: its table in `weights.toml`.

    Raises:
        ModelError: not listed, missing, or of another digest.
    """
    folder = files(__name__)
    try:
        listed = tomllib.loads(folder.joinpath("weights.toml").read_text(encoding="utf-8"))[name]
        content = folder.joinpath(listed["file"]).read_bytes()
    except (OSError, KeyError, tomllib.TOMLDecodeError) as err:
        raise ModelError(f"the weights {name!r} are not here: {err}", hint="install veilmesh again") from err
    found = hashlib.sha256(content).hexdigest()
    if found != listed["sha256"]:
        raise ModelError(
            f"{listed['file']} has digest {found[:12]}…, expected {listed['sha256'][:12]}…",
            hint="install veilmesh again: a bank that nobody vouched for may hold somebody's face",
        )
    return content
