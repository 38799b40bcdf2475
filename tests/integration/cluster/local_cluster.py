"""A consortium on the embedded ledger whose nodes are workers, and clusters of processes on this machine.

    consortium = WorkersConsortium.found(folder)
    org1 = consortium.add_worker("org1")       # home made, registered, approved: active, with role `worker`
    cluster = LocalCluster(org1)
    cluster.start_head("--admit", "Org2MSP")
    cluster.start_worker(org2)                 # returns when it works

Nodes themselves need not run: what counts is what the ledger says of them.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veilmesh_chaincode.records.registry import NodeId
from veilmesh_network.loopback import free_port
from veilmesh_node.cluster.errors import ClusterDownError
from veilmesh_node.cluster.head_line import head_line
from veilmesh_node.cluster.running import Part, Running
from veilmesh_node.config import NodeConfig
from veilmesh_node.demo.workers import register, register_as_worker

from tests.integration.node.live_consortium import LiveConsortium, LiveNode

WITHIN_S = 180.0  # Ray takes 6 s to start on an idle machine


@dataclass
class Workers:
    """A consortium, and how its nodes become workers."""

    consortium: LiveConsortium

    def add(
        self, organisation: str, *, name: str = "", worker: bool = True, approve: bool = True
    ) -> LiveNode:
        """Make a node's home and register it."""
        node = self.consortium.add_node(organisation, name=name)
        asyncio.run((register_as_worker if worker else register)(node.home.folder))
        node.config = NodeConfig.load(node.home.folder)
        if approve:
            self.consortium.approve(node.name)
        return node

    def suspend(self, node: LiveNode) -> None:
        """Have its own organisation suspend a node, which needs no vote."""
        organisation = node.organisation.msp_id
        asyncio.run(self.consortium.submit(organisation, "registry:SuspendNode", NodeId(node_id=node.name)))


@dataclass
class LocalCluster:
    """A head and workers, as processes."""

    head: LiveNode
    listen: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_head(self, *words: str) -> None:
        self._start("head", self.head, "--listen", self.listen, *words)
        self._await("head", lambda: Running(self.head.home.folder, Part.HEAD).document() is not None)

    def launch_worker(self, node: LiveNode, *words: str) -> None:
        """Start a worker; do not wait for it."""
        joining = ("--join", self.listen, "--head", self.head.name)
        self._start(node.name, node, *joining, "--cpus", "1", *words)

    def await_worker(self, node: LiveNode) -> None:
        self._await(node.name, lambda: self.states().get(node.name) == "working")

    def states(self) -> dict[str, str]:
        """Return each worker's state, as the head has it."""
        return {each.node_id: each.state for each in self.said().workers}

    def said(self) -> Any:
        with head_line(self.head.home.folder) as line:
            return line.cluster()

    def log(self, name: str) -> str:
        return self._log(name).read_text(errors="replace")

    def submit(self, *words: str | Path) -> subprocess.Popen[bytes]:
        """Start `veilmesh cluster submit`; its document comes on its standard output."""
        command = [sys.executable, "-m", "veilmesh_node", "cluster", "submit", *map(str, words)]
        command += ["--home", str(self.head.home.folder), "--json"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def kill_at_work(self, node: LiveNode) -> None:
        """Kill -9 the process that works for a node, as the kernel does where memory runs out."""
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            for pid in _descendants(self.processes[node.name].pid):
                if _title(pid).startswith(b"ray::Hand.work"):
                    os.kill(pid, signal.SIGKILL)
                    return
        raise AssertionError(f"{node.name} does not work")

    def stop(self) -> None:
        """End everything, workers first."""
        for name in sorted(self.processes, key=lambda name: name == "head"):
            process = self.processes[name]
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.processes.clear()

    def _start(self, name: str, node: LiveNode, *words: str) -> None:
        command = [sys.executable, "-m", "veilmesh_node", "cluster", "start", *words]
        with self._log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*command, "--home", str(node.home.folder)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _log(self, name: str) -> Path:
        return self.head.home.folder.parent / f"cluster-{name}.log"

    def _await(self, name: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while True:
            try:
                if holds():
                    return
            except ClusterDownError:
                pass
            assert self.processes[name].poll() is None, self.log(name)
            assert time.monotonic() < deadline, self.log(name)
            time.sleep(0.1)


def _title(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)


def _children(pid: int) -> list[int]:
    """None of a process or a thread that ends while it is asked for."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (task / "children").read_text().split())
    return found
