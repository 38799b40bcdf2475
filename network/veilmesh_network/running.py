"""Bringing a network up and down: one process for the embedded ledger, a supervisor of several for Fabric."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.binaries import find_binaries
from veilmesh_network.fabric.plan import Orderers, PortPlan
from veilmesh_network.fabric.start import refresh, start
from veilmesh_network.loopback import HOST
from veilmesh_network.network import BANNER, DEFAULT_PORT, Network
from veilmesh_network.supervisor import LedgerProcess, hold_lock

_MEMBERS = 3


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """What a network's folder and process say."""

    network: Network
    pid: int | None  # of the ledger process; None while it is down

    @property
    def running(self) -> bool:
        return self.pid is not None


def up(
    folder: Path,
    *,
    members: int | None = None,
    port: int | None = None,
    fabric: bool = False,
    orderers: Orderers | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> NetworkStatus:
    """Bring the network in `folder` up, making it first where there is none. Up already: nothing happens.

    Args:
        folder: the network's.
        members: how many; three in a new network when not given.
        port: of the loopback; the network's last one when not given, 7050 for a new one. A Fabric network
            keeps the ports it was made with.
        fabric: whether a new network is to have real peers and orderers; a folder knows what it has.
        orderers: which ones, one Raft orderer in a new network when not given.
        progress: is told what happens, for people.

    Raises:
        NetworkError: the folder holds something else, or a network other than asked for.
        AddressInUseError: a port is taken.
        BinariesError: Fabric's binaries are missing, or of the wrong release.
        BringUpError: a Fabric network did not come up; says at which step.
        LedgerNotReadyError: the process ended or did not become ready.
    """
    if (folder / "network.toml").exists():
        network = Network.load(folder)
        _require_same(network, members, port, fabric=fabric, orderers=orderers)
    else:
        orderers = orderers or (Orderers.RAFT if fabric else None)
        members = _MEMBERS if members is None else members
        network = _found(folder, members, DEFAULT_PORT if port is None else port, orderers, progress)
    if network.fabric is not None:
        return NetworkStatus(network, start(network, progress))
    process = LedgerProcess(folder)
    pid = process.pid()
    if pid is None:
        listen = network.address if port is None else f"{HOST}:{port}"
        progress(f"starting the ledger on {listen}")
        pid, report = process.start("veilmesh_network.embedded", "--listen", listen)
        network = network.served_on(int(report["port"]))
    progress(f"channel {network.channel} is served on {network.address} (process {pid})")
    progress(BANNER)
    return NetworkStatus(network, pid)


def down(folder: Path) -> bool:
    """Stop the network's process and wait until it is gone; return whether there was one.

    Raises:
        NetworkError: the folder holds no network.
    """
    Network.load(folder)
    return LedgerProcess(folder).stop()


def upgrade(folder: Path, version: str) -> NetworkStatus:
    """Have the members of a running Fabric network run another version of the chaincode; its state stays.

    Raises:
        NetworkError: the folder holds no Fabric network, it is down, or the version does not do.
        BringUpError: a step failed; the next `up` takes the steps that are missing.
    """
    network = Network.load(folder)
    network.require_fabric()
    pid = LedgerProcess(folder).pid()
    if pid is None:
        raise NetworkError(f"the network in {folder} is down: its members agree on a version while it is up")
    upgraded = network.with_chaincode_version(version)
    refresh(upgraded)
    return NetworkStatus(upgraded, pid)


def status(folder: Path) -> NetworkStatus:
    """Return whether the network in `folder` runs.

    Raises:
        NetworkError: the folder holds no network.
    """
    return NetworkStatus(Network.load(folder), LedgerProcess(folder).pid())


def _found(
    folder: Path, members: int, port: int, orderers: Orderers | None, progress: Callable[[str], None]
) -> Network:
    capability = "V3_0"
    if orderers is not None:
        capability = find_binaries().release.channel_capability
        PortPlan(port).require_free(
            orderers.size, {number: f"member {number}" for number in range(1, members + 1)}
        )
    count = 1 if orderers is None else orderers.size
    ordering = "an orderer" if count == 1 else f"{count} orderers"
    progress(f"making {members} members, an auditor and {ordering} in {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder):
        return Network.create(
            folder, members=members, port=port, orderers=orderers, channel_capability=capability
        )


def _require_same(
    network: Network, members: int | None, port: int | None, *, fabric: bool, orderers: Orderers | None
) -> None:
    """Return if the network in a folder is the one that is asked for.

    Raises:
        NetworkError: it is another.
    """
    settings = network.fabric
    if settings is None and (fabric or orderers is not None):
        raise NetworkError(f"{network.folder} holds an embedded ledger: choose another folder for Fabric")
    if settings is not None and orderers not in {None, settings.orderers}:
        raise NetworkError(
            f"the network in {network.folder} was made with --orderers {settings.orderers}, not {orderers}: "
            "choose another folder, or leave the option out"
        )
    if settings is not None and port not in {None, settings.port}:
        raise NetworkError(
            f"the network in {network.folder} was made with --port {settings.port}, which its channel names: "
            "choose another folder, or leave the option out"
        )
    there = len(network.member_numbers)
    if members not in {None, there}:
        raise NetworkError(
            f"the network in {network.folder} has {there} members, not {members}: "
            "choose another folder, or leave the option out"
        )
