"""A content store in a folder: one file a content id, in 1,024 subfolders by the id's last letters but one.

A file appears whole or not at all: written beside, flushed, renamed, and the folder flushed. What is read is
checked against its id, so a changed file is an error and never an image. Surrogates are public within the
consortium, so nothing here guards the files; the node's home, in which they lie, is its owner's alone.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veilmesh_node.content.cid import content_id
from veilmesh_node.errors import ContentError, ContentMismatchError, ContentNotFoundError, StorageFullError


class FolderContentStore:
    def __init__(self, folder: Path) -> None:
        """Open, or make, the store; what a killed process left half written is removed."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        for part in folder.glob("??/*.part"):
            part.unlink()

    def put(self, content: bytes) -> str:
        """Store `content` and return its id; it is on the disk when this returns.

        Raises:
            StorageFullError: no space left; nothing was stored.
        """
        cid = content_id(content)
        path = self._path(cid)
        if path.exists():
            return cid
        with _translated():
            path.parent.mkdir(exist_ok=True)
            _write_whole(path, content)
        return cid

    def get(self, cid: str) -> bytes:
        """Return the content of `cid`.

        Raises:
            ContentNotFoundError: it is not here.
            ContentMismatchError: the file was changed.
        """
        try:
            content = self._path(cid).read_bytes()
        except FileNotFoundError as err:
            raise ContentNotFoundError(cid) from err
        if content_id(content) != cid:
            raise ContentMismatchError(cid)
        return content

    def remove(self, cid: str) -> None:
        """Remove `cid`; it need not be here."""
        with _translated():
            self._path(cid).unlink(missing_ok=True)

    def ids(self) -> Iterator[str]:
        """All content ids in the store."""
        for path in self._folder.glob("??/b*"):
            yield path.name

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
