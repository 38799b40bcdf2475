"""A cluster of processes on this machine, for measurements: a ledger, a head, two organisations' workers.

Their nodes do not run: what counts is what the ledger says of them.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from veilmesh_chaincode.records.registry import NodeRole, RegisterNode
from veilmesh_network.loopback import HOST, free_port

from veilmesh_node.certificates import NodeCertificates
from veilmesh_node.cluster.errors import ClusterDownError, RayFailedError
from veilmesh_node.cluster.head_line import head_line
from veilmesh_node.cluster.membership import State
from veilmesh_node.cluster.node_ledger import node_ledger
from veilmesh_node.cluster.running import Part, Running
from veilmesh_node.config import FILE_NAME, NodeConfig
from veilmesh_node.demo.consortium import ORGANISATIONS, Consortium, msp_id, node_id
from veilmesh_node.demo.shell import must
from veilmesh_node.home import Home
from veilmesh_node.registration import ensure_registered
from veilmesh_node.sealing import SUITE, SealingKey

WITHIN_S = 180.0
POLL_S = 0.2
HEAD, *_ = ORGANISATIONS  # whose cluster it is
WORKERS = ORGANISATIONS[:2]


@dataclass(slots=True)
class LocalWorkers:
    """The processes, under one folder."""

    folder: Path
    listen: str = field(default_factory=lambda: f"{HOST}:{free_port()}")
    _consortium: Consortium = field(init=False)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._consortium = Consortium(self.folder)

    @property
    def head(self) -> Path:
        """The home from which the head runs."""
        return self._consortium.home(HEAD)

    def start(self) -> None:
        """Start the ledger, have both nodes approved as workers, start the head."""
        self._consortium.start_ledger()
        for name in WORKERS:
            self._consortium.init_node(name, node_id(name), self._consortium.home(name))
        members = [word for name in ORGANISATIONS for word in ("--member", msp_id(name))]
        must("registry", "found", "--home", self.head, *members)
        for name in WORKERS:
            asyncio.run(register_as_worker(self._consortium.home(name)))
            for voter in WORKERS:
                must("registry", "approve", node_id(name), "--home", self._consortium.home(voter))
        admitted = [word for name in WORKERS for word in ("--admit", msp_id(name))]
        self._launch("head", HEAD, "--listen", self.listen, *admitted)
        self._await("head", lambda: Running(self.head, Part.HEAD).document() is not None)

    def start_worker(self, organisation: str) -> None:
        """Start a worker of one processor, and return when it works."""
        joining = ("--join", self.listen, "--head", node_id(HEAD), "--cpus", "1")
        self._launch(organisation, organisation, *joining)
        self._await(organisation, lambda: node_id(organisation) in self._working())

    def kill_worker(self, organisation: str) -> None:
        """Kill -9 a worker's supervisor and Ray's processes on its machine, as a power cut would."""
        process = self._processes.pop(organisation)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        for child in children:
            os.killpg(int(child), signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End everything. Safe to call at any moment."""
        for name in sorted(self._processes, key=lambda name: name == "head"):
            self._processes[name].terminate()
            self._processes[name].wait()
        self._processes.clear()
        self._consortium.stop()

    def _launch(self, name: str, organisation: str, *words: str) -> None:
        command = [sys.executable, "-m", "veilmesh_node", "cluster", "start"]
        command += ["--home", str(self._consortium.home(organisation)), *words]
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _working(self) -> set[str]:
        with head_line(self.head) as line:
            return {each.node_id for each in line.cluster().workers if each.state == State.WORKING}

    def _await(self, name: str, holds: Callable[[], bool]) -> None:
        """Wait until something holds.

        Raises:
            RayFailedError: the process ended, or took too long; with the last lines of its log.
        """
        deadline = time.monotonic() + WITHIN_S
        while self._processes[name].poll() is None and time.monotonic() < deadline:
            try:
                if holds():
                    return
            except ClusterDownError:
                pass  # it is on its way
            time.sleep(POLL_S)
        last = self._log(name).read_text(errors="replace").splitlines()[-5:]
        raise RayFailedError(f"{name} does not work: {' '.join(last)}")

    def _log(self, name: str) -> Path:
        return self.folder / f"cluster-{name}.log"


async def register_as_worker(folder: Path) -> None:
    """Give the node whose home is `folder` the role, and register it."""
    earlier = NodeConfig.load(folder)
    config = earlier.model_copy(update={"roles": [*earlier.roles, NodeRole.WORKER]})
    (folder / FILE_NAME).write_text(config.to_toml())
    await register(folder)


async def register(folder: Path) -> None:
    """Register the node whose home is `folder`, with a sealing key that nobody will use."""
    home, config = Home(folder), NodeConfig.load(folder)
    certificates = NodeCertificates.of(home, config)
    async with node_ledger(config, certificates) as ledger:
        await ensure_registered(
            ledger,
            RegisterNode(
                node_id=config.node_id,
                endpoint=config.exchange_endpoint,
                tls_certificate_sha256=certificates.tls().pair.digest.hex(),
                sealing_suite=SUITE,
                sealing_public_key=SealingKey.generate().public_hex(),
                roles=config.roles,
            ),
        )
