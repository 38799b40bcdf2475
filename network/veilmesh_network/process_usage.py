"""What the processes of a running ledger cost: processor time and memory, as Linux counts them."""

import time
from collections.abc import Mapping
from pathlib import Path

from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.processes import process_table, processes_file
from veilmesh_network.network import Network
from veilmesh_network.supervisor import LedgerProcess


def ledger_pids(network: Network) -> Mapping[str, int]:
    """Return the process ids of a ledger by the processes' names.

    Raises:
        NetworkError: it does not run, or a part of it does not.
    """
    supervisor = LedgerProcess(network.folder).pid()
    if supervisor is None:
        raise NetworkError(f"no ledger runs in {network.folder}")
    if network.fabric is None:
        return {"ledger": supervisor}
    table = process_table(processes_file(network))
    if table is None or any(process.pid is None for process in table.processes):
        raise NetworkError(f"not all processes of {network.folder} are up")
    return {process.name: process.pid for process in table.processes if process.pid is not None}


def cpu_s(pid: int) -> float:
    """Return how many seconds of CPU a process has used so far, all its threads together.

    Raises:
        NetworkError: there is no such process.
    """
    try:
        return time.clock_gettime(_cpu_clock_of(pid))
    except OSError as err:
        raise NetworkError(f"process {pid} is gone") from err


def resident_mib(pid: int) -> float:
    """Return how much memory a process holds, its resident set in MiB.

    Raises:
        NetworkError: there is no such process.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError as err:
        raise NetworkError(f"process {pid} is gone") from err
    kib = next((line.split()[1] for line in lines if line.startswith("VmRSS:")), "0")
    return int(kib) / 1024


def _cpu_clock_of(pid: int) -> int:
    """Return what clock_getcpuclockid(3) gives: Linux `include/linux/posix-timers_types.h`."""
    return ~pid << 3 | 2  # CPUCLOCK_SCHED
