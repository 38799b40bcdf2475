"""The supervisor's children: started, watched, started again when they end, told of in a file.

While the network is coming up, a child that ends is an error. Later it is started again: half a second after
its end, twice as long after each further one that follows soon, at most half a minute.

`processes.json` says what runs; it is replaced as a whole, so a reader never sees half of it:

    {"supervisor": 4711, "ready": true, "round": 1, "failure": null,
     "processes": [{"name": "peer0.org1.example.com", "kind": "peer", "pid": 4712,
                    "since": "2026-01-01T00:00:00+00:00", "restarts": 0, "log": "..."}]}
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Container, Coroutine, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from veilmesh_network.errors import BringUpError, NetworkError
from veilmesh_network.fabric.configuration import Program, ProgramKind, fabric_folder
from veilmesh_network.fabric.process_log import last_words, log_tail, mark_start
from veilmesh_network.network import Network

_logger = logging.getLogger(__name__)

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
_STEADY_S = 60.0  # who lived that long starts with the first delay again
_STOP_TIMEOUT_S = 10.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One line of `processes.json`."""

    name: str
    kind: ProgramKind
    pid: int | None  # None while it waits to be started again
    since: str | None  # ISO 8601, UTC
    restarts: int
    log: str


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """All of `processes.json`."""

    supervisor: int
    ready: bool  # False while it is brought up or down
    round: int  # how often it was brought up, or tried to be, in the supervisor's life
    failure: str | None  # of the last round
    processes: Sequence[ProcessRecord]


def processes_file(network: Network) -> Path:
    return fabric_folder(network) / "processes.json"


def process_table(file: Path) -> ProcessTable | None:
    """Read `processes.json`; return None where there is none.

    Raises:
        NetworkError: it cannot be read.
    """
    try:
        about = json.loads(file.read_text())
        return ProcessTable(
            about["supervisor"],
            about["ready"],
            about["round"],
            about["failure"],
            [ProcessRecord(**{**each, "kind": ProgramKind(each["kind"])}) for each in about["processes"]],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise NetworkError(f"{file} cannot be read: {err!r}") from err


class ProcessEndedError(BringUpError):
    """A process ended that the network needs; says why, with the last lines of its log."""

    def __init__(self, program: Program, status: int) -> None:
        why = last_words(program.log)
        because = f": {why}" if why else ""
        super().__init__(
            f"{program.name} ended ({ended(status)}){because}; "
            f"the end of {program.log}:{log_tail(program.log)}"
        )


class _Child:
    """One program, for as long as it is to run."""

    def __init__(self, program: Program, children: "Children") -> None:
        self.program = program
        self.pid: int | None = None
        self.since: datetime | None = None
        self.restarts = 0
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False
        self._children = children
        self._process: asyncio.subprocess.Process | None = None
        self._ending: asyncio.Task[int] | None = None
        self._delay_s = _FIRST_DELAY_S

    async def start(self) -> None:
        tethered = ("-I", "-m", "veilmesh_network.fabric.tether", str(os.getpid()), *self.program.arguments)
        started = datetime.now(UTC)
        with self.program.log.open("ab") as log:
            mark_start(log, started)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *tethered,
                env=self.program.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid, self.since = self._process.pid, started
        self._ending = asyncio.create_task(self._wait(self._process))
        self._children.write()

    async def _wait(self, process: asyncio.subprocess.Process) -> int:
        status = await process.wait()
        self.pid = None
        if not self._stopping:
            self._children.one_ended(self.program, status)
        return status

    async def end(self) -> int:
        """Wait until the process ends, for whatever reason; return its exit status."""
        if self._ending is None:
            raise RuntimeError(f"{self.program.name} has not been started")
        return await asyncio.shield(self._ending)

    async def _keep_running(self) -> None:
        while True:
            status = await self.end()
            lived_s = (datetime.now(UTC) - self.since).total_seconds() if self.since else 0.0
            self._delay_s = _FIRST_DELAY_S if lived_s >= _STEADY_S else self._delay_s
            _logger.warning(
                "%s ended (%s); again in %.1f s: %s",
                self.program.name,
                ended(status),
                self._delay_s,
                last_words(self.program.log) or "it does not say why",
            )
            await asyncio.sleep(self._delay_s)
            self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)
            self.restarts += 1
            await self.start()

    async def stop(self) -> None:
        """End it gently, after a while firmly; it is not started again."""
        self._stopping = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for kind in (signal.SIGTERM, signal.SIGKILL):
            if self.pid is None:
                return
            self._signal(kind)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.end(), _STOP_TIMEOUT_S)

    def keep(self) -> None:
        """From now on start it again when it ends."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_running())

    def _signal(self, kind: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(kind)

    def record(self) -> ProcessRecord:
        since = None if self.since is None else self.since.isoformat(timespec="seconds")
        program = self.program
        return ProcessRecord(
            program.name,
            program.kind,
            self.pid,
            since if self.pid is not None else None,
            self.restarts,
            str(program.log),
        )


class Children:
    """All processes of a network. Leave nothing behind: `stop` them."""

    def __init__(self, file: Path) -> None:
        """Tell of them in `file`. Inside a running loop."""
        self._file = file
        self._children: dict[str, _Child] = {}
        self._first_end: asyncio.Future[tuple[Program, int]]
        self._ready = False
        self._round = 0
        self._failure: str | None = None
        self.begin()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._children)

    def begin(self) -> None:
        """Begin to bring the network up, once more."""
        self._first_end = asyncio.get_running_loop().create_future()
        self._ready = False
        self._failure = None
        self.write()

    async def start(self, program: Program) -> None:
        """Start a program, unless it runs; one of that name with other settings is ended first."""
        child = self._children.get(program.name)
        if child is not None and child.program == program and child.pid is not None:
            return
        if child is not None:
            await child.stop()
        child = self._children[program.name] = _Child(program, self)
        await child.start()

    async def retain(self, names: Container[str]) -> None:
        """End the programs that have none of these names."""
        for name in [name for name in self._children if name not in names]:
            await self._children.pop(name).stop()
        self.write()

    async def while_all_live(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` returns, unless a child ends meanwhile.

        Raises:
            ProcessEndedError: one ended.
        """
        working = asyncio.create_task(work)
        try:
            both: set[asyncio.Future[Any]] = {working, self._first_end}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise ProcessEndedError(*self._first_end.result())
            return await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    def one_ended(self, program: Program, status: int) -> None:
        if not self._first_end.done():
            self._first_end.set_result((program, status))
        self.write()

    def keep_running(self, *, failure: str | None = None) -> None:
        """Start again who ends, from now on: the network is up.

        Args:
            failure: why it is not all that it should be.
        """
        for child in self._children.values():
            child.keep()
        self._ready = True
        self._round += 1
        self._failure = failure
        self.write()

    async def stop(self) -> None:
        """End all of them gently, after a while firmly; return when all are gone."""
        self._ready = False
        await asyncio.gather(*(child.stop() for child in self._children.values()))
        self._file.unlink(missing_ok=True)

    def write(self) -> None:
        about = {
            "supervisor": os.getpid(),
            "ready": self._ready,
            "round": self._round,
            "failure": self._failure,
            "processes": [asdict(child.record()) for child in self._children.values()],
        }
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(json.dumps(about, indent=2) + "\n")
        unfinished.replace(self._file)


def ended(status: int) -> str:
    """Return what an exit status means."""
    if status >= 0:
        return f"exit status {status}"
    return f"killed by {signal.Signals(-status).name}"
