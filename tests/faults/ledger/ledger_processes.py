"""Ledger processes that are to be killed, started in milliseconds: a parent with all imports done forks.

Run as `python -m tests.faults.ledger.ledger_processes NET`, it answers each line of input with one of output:

    start [LIMIT]   fork a ledger process whose files may grow to LIMIT bytes; "PID PORT" or "PID failed"
    begin           fork one and do not wait for it; "PID"
    wait PID        "PID STATUS", once that process has ended
"""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from veilmesh_network.embedded.process import run
from veilmesh_network.network import Network
from veilmesh_network.supervisor import _reports

from tests.integration.ledger.key_value import KeyValue
from tests.integration.ledger.ledger import CHAINCODE

_PROJECT = Path(__file__).parents[3]
_START_TIMEOUT_S = 30.0


@dataclass(slots=True)
class LedgerProcesses:
    """The parent, seen from the test."""

    parent: asyncio.subprocess.Process

    async def start(self, file_size_limit: int | None = None) -> tuple[int, int]:
        """Start a ledger and return its process id and port, once it serves."""
        pid, port = await self._ask("start" if file_size_limit is None else f"start {file_size_limit}")
        return int(pid), int(port)

    async def begin(self) -> int:
        """Start a ledger and return its process id at once."""
        (pid,) = await self._ask("begin")
        return int(pid)

    async def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        await self.ended(pid)

    async def stop(self, pid: int) -> None:
        os.kill(pid, signal.SIGTERM)
        await self.ended(pid)

    async def ended(self, pid: int) -> int:
        """Return the process's exit status, once it has ended; negative after a signal."""
        _, status = await self._ask(f"wait {pid}")
        return int(status)

    async def _ask(self, line: str) -> list[str]:
        assert self.parent.stdin
        assert self.parent.stdout
        self.parent.stdin.write(f"{line}\n".encode())
        return (await asyncio.wait_for(self.parent.stdout.readline(), _START_TIMEOUT_S)).decode().split()


@asynccontextmanager
async def ledger_processes(network: Network) -> AsyncIterator[LedgerProcesses]:
    """Give the parent of ledger processes on `network`; whatever still runs at the end is killed."""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.ledger.ledger_processes", str(network.folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=_PROJECT,
    )
    try:
        yield LedgerProcesses(parent)
    finally:
        assert parent.stdin
        parent.stdin.close()  # with its input it ends, and ends its children
        await parent.wait()


def _main(folder: Path) -> None:
    network = Network.load(folder)
    children: set[int] = set()
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "wait":
            _, status = os.waitpid(int(arguments[0]), 0)
            children.discard(int(arguments[0]))
            answer = f"{arguments[0]} {os.waitstatus_to_exitcode(status)}"
        else:
            answer = _start(network, children, arguments, wait=command == "start")
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _start(network: Network, children: set[int], arguments: list[str], *, wait: bool) -> str:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os._exit(_serve(network, writer, int(arguments[0]) if arguments else None))
    children.add(pid)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as reports:
        if not wait:
            return str(pid)
        report = next(_reports(reports, _START_TIMEOUT_S), {})
        return f"{pid} {report.get('port', 'failed')}"


def _serve(network: Network, ready_fd: int, file_size_limit: int | None) -> int:
    logging.basicConfig(filename=network.folder / "ledger.log", level=logging.WARNING)
    if file_size_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_limit, resource.RLIM_INFINITY))
    return run(network, {CHAINCODE: KeyValue()}, listen="127.0.0.1:0", ready_fd=ready_fd)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
