"""Three member organisations and an auditor on this machine: one ledger process, three node processes.

Everything is done by commands; only the node processes are started here, because `veilmesh node start` stays
in the foreground, as services do.
"""

import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veilmesh_network.fabric.plan import PortPlan
from veilmesh_network.loopback import HOST, free_port, free_ports

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.shell import CommandFailedError, must, run

ORGANISATIONS = ("org1", "org2", "org3")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.1


def node_id(organisation: str) -> str:
    return f"{organisation}-node"


def msp_id(organisation: str) -> str:
    return f"{organisation.capitalize()}MSP"


@dataclass(slots=True)
class Consortium:
    """The processes and folders of the demo's consortium, under one folder."""

    folder: Path
    network_options: Sequence[str] = ()  # of `veilmesh network up`: which kind of ledger
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def network(self) -> Path:
        return self.folder / "network"

    @property
    def auditor(self) -> Path:
        return self.network / "auditor"

    def home(self, organisation: str) -> Path:
        return self.folder / organisation

    def start_ledger(self) -> dict[str, Any]:
        """Start the ledger on free ports; return what `network up` says."""
        where = ("--dir", self.network, "--port", free_ports(PortPlan.span(len(ORGANISATIONS))))
        document: dict[str, Any] = must("network", "up", *self.network_options, *where)
        return document

    def init_node(self, organisation: str, name: str, home: Path) -> None:
        """Make a node's home with certificates of its organisation's development authority."""
        home.parent.mkdir(parents=True, exist_ok=True)
        passphrase = _passphrase_file(home)
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(24) + "\n")
        must(
            *("node", "init", "--home", home, "--network", self.network, "--org", organisation, "--id", name),
            *("--listen", f"{HOST}:{free_port()}", "--api", f"{HOST}:{free_port()}"),
            *("--passphrase-file", passphrase),
        )

    def start_node(self, home: Path) -> None:
        """Start the node of `home`; `await_node` tells when it answers."""
        with self._log(home).open("ab") as stream:
            self.nodes[home.name] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "veilmesh_node", "node", "start", "--home", str(home)),
                    *("--passphrase-file", str(_passphrase_file(home))),
                ],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    def await_node(self, home: Path) -> None:
        """Wait until the node of `home` answers, and stands on the ledger.

        Raises:
            CommandFailedError: it ended, or did not answer in time; with the last lines of its log.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            answer = run("node", "status", "--home", home)
            if answer.exit_code is ExitCode.OK and answer.document["registration"]:
                return
            if self.nodes[home.name].poll() is not None:
                break
            time.sleep(POLL_S)
        last = "\n".join(self._log(home).read_text(errors="replace").splitlines()[-5:])
        raise CommandFailedError(f"the node of {home} does not answer:\n{last}")

    def stop_node(self, home: Path) -> None:
        """End the node of `home`, gently."""
        process = self.nodes.pop(home.name)
        process.terminate()
        _ended(process)

    def _log(self, home: Path) -> Path:
        return self.folder / f"{home.name}.log"

    def stop(self) -> None:
        """End the nodes, then the ledger. Safe to call at any moment."""
        for process in self.nodes.values():
            process.terminate()
        for process in self.nodes.values():
            _ended(process)
        self.nodes.clear()
        if self.network.exists():
            run("network", "down", "--dir", self.network)


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process that was told to end has done so; insist after a while."""
    try:
        process.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _passphrase_file(home: Path) -> Path:
    return home.with_suffix(".passphrase")
