"""Arrays in one .npz file: equal arrays give equal bytes, and nothing in it is code (no pickles)."""

import io
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.errors import ModelError


def encode_arrays(arrays: Mapping[str, NDArray[Any]], *, stored: Collection[str] = ()) -> bytes:
    """Return the file's bytes. Stored: names of arrays that compressing would not make smaller."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: the time of building is not in the file
            info.compress_type = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            file.writestr(info, entry.getvalue())
    return target.getvalue()


@contextmanager
def reading_arrays(content: bytes, wrong: str, hint: str) -> Iterator[dict[str, NDArray[Any]]]:
    """Give the arrays of a file to who makes something of them.

    Args:
        content: the file's bytes.
        wrong: what to say of it if it is damaged, or if the block raises KeyError or ValueError over it.
        hint: what to do then.

    Raises:
        ModelError: `wrong`.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            yield dict(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as err:
        raise ModelError(f"{wrong}: {err}", hint=hint) from err


def require_format(arrays: Mapping[str, NDArray[Any]], expected: str) -> None:
    """Refuse a file whose array `format` names another.

    Raises:
        ValueError: it does.
    """
    if arrays["format"].item() != expected:
        raise ValueError(f"format {arrays['format'].item()}, not {expected}")


def require_shapes(holder: object, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse arrays, attributes of `holder`, of other shapes.

    Raises:
        ValueError: one is.
    """
    for name, shape in expected.items():
        found = getattr(holder, name).shape
        if found != shape:
            raise ValueError(f"{name} has shape {found}, not {shape}")
