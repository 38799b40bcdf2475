"""What runs from a home: `cluster/head` and `cluster/worker` in it, each a lock and what others need to know.

The process holds the lock as long as it lives, so whether it runs is never guessed from a process id. The
head's document has the token of its Ray, which is why the folder is 0700.
"""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from veilmesh_node.cluster.errors import AlreadyRunningError, ClusterError

STOP_WITHIN_S = 40.0
POLL_S = 0.1


class Part(StrEnum):
    HEAD = "head"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Running:
    """One part of a home's cluster, whether it runs or not."""

    home: Path
    part: Part

    @property
    def folder(self) -> Path:
        return self.home / "cluster"

    @property
    def ray_log(self) -> Path:
        """Where Ray's processes complain."""
        return self.folder / f"{self.part}-ray.log"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be this part while the context is open.

        Raises:
            AlreadyRunningError: another process is.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        with self._lock.open("a+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as err:
                raise AlreadyRunningError(f"the {self.part} of {self.home} runs already") from err
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                self._document.unlink(missing_ok=True)

    def tell(self, document: Mapping[str, Any]) -> None:
        """Write what other commands on this machine need, whole or not at all."""
        fresh = self._document.with_suffix(".part")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(document))
        fresh.replace(self._document)

    def document(self) -> dict[str, Any] | None:
        """Return what the process told; None where none runs, or it is not ready."""
        if self.pid() is None:
            return None
        try:
            document: dict[str, Any] = json.loads(self._document.read_text())
        except FileNotFoundError:
            return None
        return document

    def pid(self) -> int | None:
        """Return the process's id, None while there is none."""
        try:
            with self._lock.open("r+") as file:
                return _holder(file)
        except FileNotFoundError:
            return None

    def stop(self) -> bool:
        """Have the process end, as SIGTERM does; return whether there was one.

        Raises:
            ClusterError: it does not.
        """
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN_S
        while self.pid() is not None:
            if time.monotonic() > deadline:
                raise ClusterError(f"the {self.part} of {self.home}, process {pid}, does not end")
            time.sleep(POLL_S)
        return True

    @property
    def _lock(self) -> Path:
        return self.folder / f"{self.part}.lock"

    @property
    def _document(self) -> Path:
        return self.folder / f"{self.part}.json"


def _holder(file: IO[str]) -> int | None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return int(file.read() or 0) or None
    return None
