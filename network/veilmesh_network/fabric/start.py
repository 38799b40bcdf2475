"""From outside: start a Fabric network's supervisor, once, and wait until the network is up."""

from collections.abc import Callable

from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.binaries import find_binaries
from veilmesh_network.fabric.processes import process_table, processes_file
from veilmesh_network.network import Network
from veilmesh_network.supervisor import LedgerProcess

_PATIENCE_S = 120.0  # the longest step is an installation, or a Raft election on a busy machine


def start(network: Network, progress: Callable[[str], None]) -> int:
    """Bring a Fabric network up; return its supervisor's process id. Up already: nothing happens.

    Raises:
        NetworkError: as `network.up`; or somebody else is bringing it up, or down, at this moment.
    """
    if network.fabric is None:
        raise NetworkError(f"{network.folder} holds an embedded ledger")
    process = LedgerProcess(network.folder)
    pid = process.pid()
    if pid is None:
        find_binaries().require_capability(network.fabric.channel_capability)
        network.fabric.ports.require_free(network.fabric.orderers.size, network.member_numbers)
        pid, _ = process.start("veilmesh_network.fabric.supervise", progress=progress, patience_s=_PATIENCE_S)
    else:
        table = process_table(processes_file(network))
        if table is None or not table.ready:
            raise NetworkError(
                f"the network in {network.folder} is being brought up or down by process {pid}: "
                "wait for it, or stop it with `veilmesh network down`"
            )
    gateways = ", ".join(network.gateways(""))
    progress(f"channel {network.channel} is served on {gateways} (supervisor {pid})")
    return pid
