"""Converted models on disk, so that each is converted once.

A file is named by the digests of what it was made from and of the modules that made it, and begins with the
SHA-256 of the rest: a damaged one is made anew. That guards against accidents. Against people it is guarded
as the installed program is, by whose folder it is: whoever may write there may change what runs.

The folder is `$VEILMESH_CACHE`, else `$XDG_CACHE_HOME/veilmesh`, else `~/.cache/veilmesh`.
"""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from veilmesh_ml.errors import ImageError
from veilmesh_ml.image import write_atomically

_LOG = logging.getLogger(__name__)

_CONVERTERS = ("dlib_stream.py", "dlib_network.py", "folding.py", "onnx_model.py", "resnet.py")
_DIGEST_SIZE = 32


def converted(name: str, digest: str, convert: Callable[[], bytes]) -> bytes:
    """Return what `convert` makes, from the cache where it is there and whole.

    Args:
        name: of the model, for people who look into the folder.
        digest: SHA-256 (hex) of what it is made from.
        convert: makes it; called only where it must be.
    """
    path = folder() / f"{name}-{digest[:16]}-{_converter_digest()[:16]}.onnx"
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    model = content[_DIGEST_SIZE:]
    if content and hashlib.sha256(model).digest() == content[:_DIGEST_SIZE]:
        return model
    if content:
        _LOG.warning("%s is damaged and is made anew", path)
    model = convert()
    _keep(path, model)
    return model


def folder() -> Path:
    """Return where converted models are kept; it need not exist."""
    for variable, below in (("VEILMESH_CACHE", ""), ("XDG_CACHE_HOME", "veilmesh")):
        if os.environ.get(variable):
            return Path(os.environ[variable]) / below
    return Path.home() / ".cache" / "veilmesh"


def _converter_digest() -> str:
    """SHA-256 (hex) of the modules that convert: what another version of them made is made anew."""
    here = Path(__file__).parent
    return hashlib.sha256(b"".join((here / module).read_bytes() for module in _CONVERTERS)).hexdigest()


def _keep(path: Path, model: bytes) -> None:
    """Write it, or say why not: a cache that cannot be written costs time, no more."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, hashlib.sha256(model).digest() + model)
    except (OSError, ImageError) as err:
        _LOG.warning("converted models are not kept: %s", err)
