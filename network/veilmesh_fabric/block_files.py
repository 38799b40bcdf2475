"""A chain in a folder: one file a block, `0000.block`, `0001.block`, and so on.

The files hold serialized `common.Block` messages and nothing else, so that any Fabric tool can read them and
an auditor needs no more than a copy. Numbers have at least four digits. What the blocks say is not looked at.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from veilmesh_fabric.errors import BlockFilesError, IncompleteChainError

_NAME = re.compile(r"([0-9]{4,})\.block")


class BlockFolder:
    """The blocks in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def count(self) -> int:
        """Return how many blocks there are, numbered from 0.

        Raises:
            BlockFilesError: the folder is not readable.
            IncompleteChainError: a number is missing, or two files have the same.
        """
        try:
            names = [path.name for path in self._folder.iterdir()]
        except OSError as err:
            raise BlockFilesError(f"{self._folder} is not readable: {err.strerror}") from err
        numbers = sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)
        for expected, number in enumerate(numbers):
            if number != expected:
                what = (
                    f"block {expected} is missing" if number > expected else f"block {number} is there twice"
                )
                raise IncompleteChainError(f"{self._folder} holds no whole chain: {what}")
        return len(numbers)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the serialized blocks in order.

        Raises:
            BlockFilesError: as `count`; or a file is not readable.
        """
        for number in range(self.count()):
            yield self.read(number)

    def last(self) -> bytes | None:
        """Return the newest block; None where there is none.

        Raises:
            BlockFilesError: as `count`; or the file is not readable.
        """
        count = self.count()
        return self.read(count - 1) if count else None

    def write(self, number: int, block: bytes) -> None:
        """Store a block, wholly or not at all, replacing one of that number.

        Raises:
            BlockFilesError: the folder is not writable.
        """
        path = self._path(number)
        unfinished = path.with_suffix(".unfinished")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                file.write(block)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as err:
            raise BlockFilesError(f"block {number} in {self._folder}: {err.strerror}") from err

    def read(self, number: int) -> bytes:
        """Return a serialized block.

        Raises:
            BlockFilesError: it is not there, or not readable.
        """
        try:
            return self._path(number).read_bytes()
        except OSError as err:
            raise BlockFilesError(f"block {number} in {self._folder}: {err.strerror}") from err

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:04}.block"
