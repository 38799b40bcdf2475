"""The ledger process from outside: start it detached, know whether it runs, stop it.

The process holds a lock on `ledger.lock` as long as it lives, so whether it runs is never guessed from a
process id that something else may have by now. It says that it is ready, or why not, through a pipe.
"""

import contextlib
import fcntl
import json
import logging
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from veilmesh_network.errors import (
    AddressInUseError,
    BinariesError,
    BringUpError,
    CredentialsError,
    LedgerNotReadyError,
    NetworkError,
    StorageError,
)

READY_FD = 3
"""Where the process reports, in lines of JSON: any number of `{"progress": "..."}`, then one of what it is
ready with, `{"port": 7050}`, or why it is not, `{"error": "...", "kind": "..."}`."""

_logger = logging.getLogger(__name__)

_LOCK_FILE = "ledger.lock"
_READY_TIMEOUT_S = 30.0  # between two reports
_STOP_TIMEOUT_S = 15.0
_KINDS = {
    kind.__name__: kind
    for kind in (AddressInUseError, BinariesError, BringUpError, CredentialsError, StorageError)
}


@dataclass(frozen=True, slots=True)
class LedgerProcess:
    """The ledger process of the network in `folder`, if there is one."""

    folder: Path

    def pid(self) -> int | None:
        """Return the process's id, None while there is none."""
        try:
            with self._lock_file.open("r+") as file:
                return _lock_holder(file)
        except FileNotFoundError:
            return None

    def start(
        self,
        module: str,
        *arguments: str,
        progress: Callable[[str], None] = lambda _: None,
        patience_s: float = _READY_TIMEOUT_S,
    ) -> tuple[int, Mapping[str, Any]]:
        """Start the process and wait until it serves; return its id and what it reports.

        Args:
            module: what it runs, `python -m module --dir FOLDER ...`.
            arguments: more of them.
            progress: is told what it reports on the way.
            patience_s: how long it may say nothing.

        The process is gone whenever this raises, also when it raises KeyboardInterrupt.

        Raises:
            AddressInUseError, BinariesError, BringUpError, CredentialsError, StorageError: it says so.
            LedgerNotReadyError: it ended, or took too long.
        """
        reader, writer = os.pipe()
        try:
            pid = self._spawn(module, arguments, writer)
        finally:
            os.close(writer)
        try:
            with os.fdopen(reader, "rb", buffering=0) as reports:
                return pid, self._ready(_reports(reports, patience_s), progress)
        except BaseException:
            _end(pid)
            raise

    def stop(self) -> bool:
        """End the process gently, after a while firmly; return whether there was one."""
        pid = self.pid()
        if pid is None:
            return False
        _end(pid)
        return True

    @property
    def _lock_file(self) -> Path:
        return self.folder / _LOCK_FILE

    @property
    def _log(self) -> Path:
        return self.folder / "ledger.log"

    def _ready(self, reports: Iterator[dict[str, Any]], progress: Callable[[str], None]) -> Mapping[str, Any]:
        """Return the report that the process is ready; raises as `start`."""
        for report in reports:
            if "progress" in report:
                progress(report["progress"])
            elif "error" in report:
                kind = _KINDS.get(report.get("kind", ""), LedgerNotReadyError)
                raise kind(report["error"])
            else:
                return report
        raise LedgerNotReadyError(f"the ledger process did not start: see {self._log}")

    def _spawn(self, module: str, arguments: Sequence[str], report: int) -> int:
        about = ["-m", module, "--dir", str(self.folder.resolve()), *arguments]
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return os.posix_spawn(
                sys.executable,
                [sys.executable, *about, "--ready-fd", str(READY_FD)],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    (os.POSIX_SPAWN_DUP2, report, READY_FD),
                ],
                setsid=True,  # a terminal's Ctrl-C is not for it
            )
        finally:
            os.close(log)


def hold_lock(folder: Path) -> IO[str]:
    """Take the lock for the calling process, until the file returned is closed or the process ends.

    Raises:
        NetworkError: another process holds it.
    """
    file = (folder / _LOCK_FILE).open("a")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        file.close()
        raise NetworkError(f"a ledger runs already in {folder}") from err
    return file


_FLOCK = "hhqqi"  # struct flock of fcntl(2): l_type, l_whence, l_start, l_len, l_pid


def _lock_holder(file: IO[str]) -> int | None:
    """Return which process holds the lock, as the kernel knows."""
    question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    answer = fcntl.fcntl(file, fcntl.F_GETLK, question)
    kind, _, _, _, pid = struct.unpack(_FLOCK, answer)
    return None if kind == fcntl.F_UNLCK else int(pid)


def report_to(descriptor: int | None, report: Mapping[str, object]) -> None:
    """Tell whoever started this process; nobody may be there any more."""
    if descriptor is None:
        return
    try:
        os.write(descriptor, json.dumps(report).encode() + b"\n")
    except OSError:
        _logger.debug("nobody waits for the report %s", report)


def _reports(reports: IO[bytes], patience_s: float) -> Iterator[dict[str, Any]]:
    """Yield reports until the process closes the pipe or says nothing for so long. The pipe is unbuffered."""
    unfinished = b""
    while select.select([reports], [], [], patience_s)[0]:
        data = reports.read(1 << 16)
        if not data:
            return
        *lines, unfinished = (unfinished + data).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _end(pid: int) -> None:
    """End a process, if it lives, and return when it is gone."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        for kind in (signal.SIGTERM, signal.SIGKILL):
            try:
                signal.pidfd_send_signal(process, kind)
            except ProcessLookupError:
                break
            if select.select([process], [], [], max(0.0, deadline - time.monotonic()))[0]:
                break
            deadline += _STOP_TIMEOUT_S
    finally:
        os.close(process)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)  # if this very process started it, nobody else will
