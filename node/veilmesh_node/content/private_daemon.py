"""A kubo daemon of this machine's own, for measurements and tests: private, on loopback, gone at the end.

Its repository is new, it knows no bootstrap peer and asks no router, it listens on random ports of loopback
alone, and with a swarm key it speaks to nobody who has not the same one.
"""

import json
import os
import secrets
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Self

from veilmesh_node.errors import ContentUnavailableError

READY_WITHIN_S = 60.0


def new_swarm_key() -> str:
    """Return the text of a `swarm.key` file: whoever has it may join."""
    return f"/key/swarm/psk/1.0.0/\n/base16/\n{secrets.token_hex(32)}\n"


class PrivateDaemon:
    """A daemon as a process. Stop it at the end."""

    def __init__(self, folder: Path) -> None:
        """Take charge of the repository in `folder`; nothing runs yet.

        Raises:
            ContentUnavailableError: there is no `ipfs`.
        """
        binary = shutil.which("ipfs")
        if binary is None:
            raise ContentUnavailableError("there is no `ipfs` on PATH")
        self._binary, self._folder = binary, folder
        self._process: subprocess.Popen[str] | None = None

    @classmethod
    def make(cls, folder: Path, swarm_key: str = "") -> Self:
        """Make a repository in `folder`, which need not exist.

        Raises:
            ContentUnavailableError: there is no `ipfs`, or it cannot make one.
        """
        daemon = cls(folder)
        daemon.run("init", "--profile=test")
        if swarm_key:
            (folder / "swarm.key").write_text(swarm_key)
        daemon.configure(Bootstrap=[], Routing={"Type": "none"})
        return daemon

    @property
    def _environment(self) -> dict[str, str]:
        private = (self._folder / "swarm.key").exists()  # then it does not start without
        ours = {"IPFS_PATH": str(self._folder), "IPFS_TELEMETRY": "off"}
        return {**os.environ, **ours, "LIBP2P_FORCE_PNET": "1" if private else "0"}

    def configure(self, **sections: object) -> None:
        """Replace sections of its configuration, for the next start."""
        path = self._folder / "config"
        path.write_text(json.dumps({**json.loads(path.read_text()), **sections}))

    def start(self, *, online: bool = False, command: tuple[str, ...] = ()) -> Self:
        """Start the process and return when it answers.

        Args:
            online: let it connect to others.
            command: what to run it by, such as something that sets limits.

        Raises:
            ContentUnavailableError: it does not start.
        """
        words = [*command, self._binary, "daemon", *([] if online else ["--offline"])]
        log = self._folder / "daemon.log"
        with log.open("a") as stderr:
            self._process = subprocess.Popen(
                words, env=self._environment, stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        too_late = threading.Timer(READY_WITHIN_S, self._process.kill)
        too_late.start()
        try:
            if not any("Daemon is ready" in line for line in self._process.stdout or ()):
                self.stop()
                raise ContentUnavailableError(
                    f"the IPFS daemon did not start: {log.read_text()[-500:].strip()}"
                )
        finally:
            too_late.cancel()
        return self

    @property
    def address(self) -> str:
        """host:port of its API."""
        _, _, host, _, port = (self._folder / "api").read_text().strip().split("/")
        return f"{host}:{port}"

    def keep_address(self) -> None:
        """Have it listen where it listens now after its next start, too."""
        api = (self._folder / "api").read_text().strip()
        self.configure(Addresses={"API": api, "Gateway": [], "Swarm": ["/ip4/127.0.0.1/tcp/0"]})

    def run(self, *words: str) -> str:
        """Have `ipfs` say something about, or to, this daemon; return what it says."""
        done = subprocess.run(
            [self._binary, *words], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ContentUnavailableError(f"`ipfs {words[0]}` failed: {done.stderr.strip()}")
        return done.stdout

    def connect(self, other: "PrivateDaemon") -> None:
        """Connect it to another one; both have to be online."""
        addresses: list[str] = json.loads(other.run("id"))["Addresses"]
        self.run("swarm", "connect", addresses[0])

    def stop(self) -> None:
        """End the process, if it runs; it may be started again."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
