"""Values that are read from files, and read again when the files change: certificates and keys.

A renewal is seldom one step: a certificate and its key are two files, and a copy takes time. So what is there
is used only once it is whole and fits; until then the value before stays in use, and the log says so once.

    identity = Renewed(read_identity, folder / "signcerts", folder / "keystore")
    identity()      # the SigningIdentity of this moment
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from veilmesh_fabric.errors import IdentityError

_logger = logging.getLogger(__name__)

Value = TypeVar("Value")

_Stamp = tuple[Path, int, int, int]  # a file, its time of change in ns, its size in bytes, its inode


class Renewed(Generic[Value]):
    """What `read` makes of some files, as they are now."""

    def __init__(self, read: Callable[[], Value], *paths: Path) -> None:
        """Read for the first time.

        Args:
            read: raises IdentityError where the files are not what they should be.
            paths: the files; a folder stands for those in it.

        Raises:
            IdentityError: `read`'s.
        """
        self._read = read
        self._paths = paths
        self._stamps = self._stat()
        self._value = read()
        self._failure = ""

    @property
    def failure(self) -> str:
        """Why what the files hold is not in use; empty where it is."""
        return self._failure

    def __call__(self) -> Value:
        stamps = self._stat()
        if stamps == self._stamps:
            return self._value
        try:
            self._value = self._read()
        except IdentityError as err:
            # Not remembered, so that the next call looks again: what is not yet valid may become so.
            self._tell(str(err))
            return self._value
        self._stamps, self._failure = stamps, ""
        _logger.info("read anew: %s", ", ".join(map(str, self._paths)))
        return self._value

    def _tell(self, failure: str) -> None:
        if failure != self._failure:
            _logger.warning("a renewal is not in use as yet, what was there before is: %s", failure)
        self._failure = failure

    def _stat(self) -> frozenset[_Stamp]:
        return frozenset(stamp for path in self._paths for stamp in _stamps(path))


def _stamps(path: Path) -> Iterator[_Stamp]:
    try:
        for file in path.iterdir() if path.is_dir() else (path,):
            about = file.stat()
            yield file, about.st_mtime_ns, about.st_size, about.st_ino
    except OSError:
        return  # `read` will say what is wrong with it
