"""Ray's processes on this machine, and what every process of Ray's is told by its environment.

Ray is reached by TLS alone, with the node's own certificate, and each side asks for the other's: whoever has
no certificate of a member's authority gets nowhere. Beyond that it wants a token, which the head makes for
each run and gives to those it admits.
"""

import asyncio
import importlib.util
import ipaddress
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cryptography import x509

from veilmesh_node.cluster.errors import DashboardMissingError, RayFailedError, RayMissingError
from veilmesh_node.cluster.machine import Machine, MachineSettings
from veilmesh_node.errors import HomeError
from veilmesh_node.home import Home

OBJECT_STORE_BYTES = 200 * 1024 * 1024  # a machine; what is on its way to it at once is bounded by less
START_WITHIN_S = 180.0
ATTEMPTS = 3  # Ray gives its own processes 30 s to start, which a busy machine needs
END_WITHIN_S = 20.0
TOKEN_BYTES = 32
SHORT = "/tmp"  # noqa: S108 - see MachineSettings.folder

_log = logging.getLogger(__name__)


def require_ray(*, dashboard: bool = False) -> None:
    """Return if Ray is installed, and its dashboard where that is wanted.

    Raises:
        RayMissingError, DashboardMissingError: it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise RayMissingError
    if dashboard and importlib.util.find_spec("aiohttp_cors") is None:  # it comes with nothing else of Ray's
        raise DashboardMissingError


@dataclass(frozen=True, slots=True)
class RayAccess:
    """What opens a cluster's Ray."""

    certificate: Path
    key: Path
    roots: Path
    token: str = field(repr=False)

    @classmethod
    def of(cls, home: Home, token: str) -> "RayAccess":
        return cls(home.tls_certificate, home.tls_key, home.exchange_roots, token)

    def environment(self) -> dict[str, str]:
        """Return the variables; whatever else of Ray's is set on this machine is for other clusters."""
        return {
            "RAY_USE_TLS": "1",
            "RAY_TLS_SERVER_CERT": str(self.certificate.resolve()),
            "RAY_TLS_SERVER_KEY": str(self.key.resolve()),
            "RAY_TLS_CA_CERT": str(self.roots.resolve()),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
            "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
            # Ray's own is 15. How much a machine gives way is its operator's to say: `nice veilmesh ...`.
            "RAY_worker_niceness": "0",
        }


def address_of(endpoint: str, certificate: x509.Certificate) -> str:
    """Return the IP address by which other machines reach this one: that of its `exchange_endpoint`.

    Raises:
        HomeError: the name is unknown, or the certificate is not for the address, by which Ray connects.
    """
    host = endpoint.rpartition(":")[0].strip("[]")
    try:
        ip = socket.gethostbyname(host)
    except OSError as err:
        raise HomeError(f"exchange_endpoint {endpoint}: {err.strerror}") from err
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = names.get_values_for_type(x509.IPAddress)
    except x509.ExtensionNotFound:
        addresses = []
    if ipaddress.ip_address(ip) not in addresses:
        raise HomeError(f"the node's TLS certificate is not for IP address {ip}, by which Ray connects")
    return ip


@dataclass(frozen=True, slots=True)
class RayProcess:
    machine: Machine
    _process: asyncio.subprocess.Process

    async def ended(self) -> None:
        """Return never: Ray ends when it is told to.

        Raises:
            RayFailedError: it ended by itself.
        """
        code = await self._process.wait()
        raise RayFailedError(f"Ray's processes on this machine ended by themselves (exit {code})")


@asynccontextmanager
async def ray_running(settings: MachineSettings, access: RayAccess, log: Path) -> AsyncIterator[RayProcess]:
    """Have Ray run on this machine while the context is open.

    Raises:
        RayFailedError: it does not start; the log says why.
    """
    for attempt in range(1, ATTEMPTS + 1):
        with tempfile.TemporaryDirectory(
            prefix="veilmesh-ray-", dir=SHORT, ignore_cleanup_errors=True
        ) as folder:
            process = await _spawned(access, log)
            try:
                try:
                    machine = await _started(process, replace(settings, folder=folder), log)
                except RayFailedError as err:
                    if attempt == ATTEMPTS:
                        raise
                    _log.warning("%s; trying again", err)
                    continue
                yield RayProcess(machine, process)
                return
            finally:
                await _end(process)


async def _spawned(access: RayAccess, log: Path) -> asyncio.subprocess.Process:
    others = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with log.open("wb") as stream:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "veilmesh_node.cluster.machine"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stream,
            env=others | access.environment(),
            start_new_session=True,  # a terminal's Ctrl-C is not for it
        )


async def _started(process: asyncio.subprocess.Process, settings: MachineSettings, log: Path) -> Machine:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("both were asked for")
    process.stdin.write((json.dumps(asdict(settings)) + "\n").encode())
    try:
        async with asyncio.timeout(START_WITHIN_S):
            line = await process.stdout.readline()
    except TimeoutError:
        raise RayFailedError(f"Ray did not start within {START_WITHIN_S:.0f} s") from None
    if not line:
        raise RayFailedError(f"Ray did not start: {_last_line(log)}")
    return Machine(**json.loads(line))


def _last_line(log: Path) -> str:
    return log.read_text(errors="replace").strip().rpartition("\n")[2][:300]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close the input, which tells it to end; then end whatever of its processes is left."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(END_WITHIN_S):
            await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
