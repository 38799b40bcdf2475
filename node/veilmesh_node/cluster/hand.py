"""What runs on a worker's machine, as an actor of Ray's: a task with its models, and one item at a time.

A long item comes in pieces, before it is worked on, and goes in pieces. What came has no name on the disk, so
nothing of it stays there, however this process ends; what is made of it lies in Ray's folder, which goes with
Ray's processes.
"""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from veilmesh_node.cluster.work import LongTask, LongWork, Outcome, Task, Work

PIECE_BYTES = 4 * 1024 * 1024


class Hand:
    def __init__(self, task: Task) -> None:
        self._task = task
        self._work: Work | None = None
        self._work_long: LongWork | None = None
        self._long: _Long | None = None

    def ready(self) -> Outcome:
        """Load the task's models, once; return an error where that cannot be done here."""
        from veilmesh_ml.errors import MlError  # noqa: PLC0415 - only who works has the library

        try:
            self._work = self._task.prepare()
            if isinstance(self._task, LongTask):
                self._work_long = self._task.prepare_long()
        except MlError as err:
            return Outcome(error=str(err), hint=err.hint)
        except ImportError as err:
            return Outcome(error=f"{err.name} is not installed", hint="install the extras that the head has")
        return Outcome()

    def work(self, name: str, content: bytes) -> Outcome:
        if self._work is None:
            raise AssertionError("the models were not loaded")
        return self._work(name, content)

    def begin(self) -> None:
        """Make room for a long item, and drop what is left of another."""
        self._drop()
        self._long = _Long()

    def take(self, piece: bytes) -> Outcome:
        """Take the next piece of the long item; return an error where there is no room for it."""
        try:
            given = self._begun().given
            given.write(piece)
            given.flush()
        except OSError as err:
            self._drop()
            return Outcome(
                error=f"the worker cannot keep it: {err.strerror}",
                hint="it takes three times its size in /tmp",
            )
        return Outcome()

    def work_long(self, name: str) -> Outcome:
        """Work on the long item, all of which has been taken; where nothing comes of it, drop all."""
        if self._work_long is None:
            raise AssertionError("the models were not loaded, or the task takes no long items")
        long = self._begun()
        outcome = self._work_long(name, Path(f"/proc/self/fd/{long.given.fileno()}"), long.made(name))
        if outcome.error:
            self._drop()
        return outcome

    def give(self, name: str, at: int) -> bytes:
        """Return the output's next piece, from byte `at` on; nothing at its end, when all is dropped."""
        with self._begun().made(name).open("rb") as file:
            file.seek(at)
            piece = file.read(PIECE_BYTES)
        if not piece:
            self._drop()
        return piece

    def _drop(self) -> None:
        if self._long is not None:
            self._long.close()
        self._long = None

    def _begun(self) -> "_Long":
        if self._long is None:
            raise AssertionError("no long item was begun")
        return self._long


class _Long:
    """A long item's files on this machine."""

    def __init__(self) -> None:
        self.given: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._folder = tempfile.TemporaryDirectory(prefix="long-")

    def made(self, name: str) -> Path:
        """Return where the output is written; its ending is that of the item's name."""
        return Path(self._folder.name) / Path(name).name

    def close(self) -> None:
        with suppress(OSError):  # a full disk is full while closing too
            self.given.close()
        self._folder.cleanup()
