"""From outside: start a Fabric network's supervisor, or have it look at the folder again, and wait."""

import os
import signal
import time
from collections.abc import Callable

from veilmesh_network.errors import BringUpError, NetworkError
from veilmesh_network.fabric.binaries import find_binaries
from veilmesh_network.fabric.processes import ProcessTable, process_table, processes_file
from veilmesh_network.network import Network
from veilmesh_network.supervisor import LedgerProcess

_PAUSE_S = 0.1
_PATIENCE_S = 120.0  # the longest step is an installation, or a Raft election on a busy machine


def start(network: Network, progress: Callable[[str], None]) -> int:
    """Bring a Fabric network up; return its supervisor's process id. Up already: nothing happens.

    Raises:
        NetworkError: as `running.up`; or somebody else is bringing it up, or down, at this moment.
    """
    settings = network.require_fabric()
    process = LedgerProcess(network.folder)
    pid = process.pid()
    if pid is None:
        find_binaries().require_capability(settings.channel_capability)
        settings.ports.require_free(settings.orderers.size, network.member_numbers)
        pid, _ = process.start("veilmesh_network.fabric.supervise", progress=progress, patience_s=_PATIENCE_S)
    else:
        _ready_table(network, pid)
    gateways = ", ".join(network.gateways(""))
    progress(f"channel {network.channel} is served on {gateways} (supervisor {pid})")
    return pid


def refresh(network: Network) -> None:
    """Have a running network become what its folder says: members more or fewer, another chaincode version.

    Returns when that is done; nothing happens where the network is down, for `up` will see to it.

    Raises:
        BringUpError: a step failed, or it takes too long; what ran before goes on.
        NetworkError: it is being brought up or down at this moment.
    """
    pid = LedgerProcess(network.folder).pid()
    if pid is None:
        return
    before = _ready_table(network, pid)
    os.kill(pid, signal.SIGHUP)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        table = process_table(processes_file(network))
        if table is None or table.supervisor != pid:
            raise BringUpError("the network was stopped meanwhile")
        if table.round != before.round:
            if table.failure is not None:
                raise BringUpError(table.failure)
            return
        time.sleep(_PAUSE_S)
    raise BringUpError(f"the network has not changed within {_PATIENCE_S:.0f} s: see its ledger.log")


def _ready_table(network: Network, pid: int) -> ProcessTable:
    table = process_table(processes_file(network))
    if table is None or not table.ready:
        raise NetworkError(
            f"the network in {network.folder} is being brought up or down by process {pid}: "
            "wait for it, or stop it with `veilmesh network down`"
        )
    return table
