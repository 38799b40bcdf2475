"""A content store in a folder: one file a content id, in 1,024 subfolders by the id's last letters but one.

A file appears whole or not at all: written beside, flushed, renamed, and the folder flushed. What is read is
checked against its id, so a changed file is an error and never an image. Surrogates are public within the
consortium, so nothing here guards the files; the node's home, in which they lie, is its owner's alone.
"""

import errno
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from veilmesh_node.content.checked import MAX_CONTENT_BYTES, incoming, outgoing
from veilmesh_node.errors import ContentError, ContentNotFoundError, StorageFullError
from veilmesh_node.surrogate import Surrogate


class FolderContentStore:
    """Implements `ports.ContentStore`. Its methods wait for the disk, and for nothing else."""

    def __init__(self, folder: Path) -> None:
        """Open, or make, the store; what a killed process left half written is removed."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        for part in folder.glob("??/*.part"):
            part.unlink()

    async def put(self, surrogate: Surrogate) -> str:
        """Store a surrogate's image and return its id; it is on the disk when this returns."""
        cid, content = outgoing(surrogate)
        path = self._path(cid)
        if path.exists():
            return cid
        with _translated():
            path.parent.mkdir(exist_ok=True)
            _write_whole(path, content)
        return cid

    async def get(self, cid: str) -> bytes:
        path = self._path(cid)
        with _translated():
            if not path.exists():
                raise ContentNotFoundError(cid)
            with path.open("rb") as file:
                return incoming(cid, file.read(MAX_CONTENT_BYTES + 1))

    async def remove(self, cid: str) -> None:
        with _translated():
            self._path(cid).unlink(missing_ok=True)

    async def ids(self) -> Collection[str]:
        return [path.name for path in self._folder.glob("??/b*")]

    def _path(self, cid: str) -> Path:
        if not cid.isalnum():
            raise ContentNotFoundError(cid)
        return self._folder / cid[-3:-1] / cid


def _write_whole(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as err:
        if err.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFullError("no space left for content") from err
        raise ContentError(f"content store: {err.strerror}") from err
