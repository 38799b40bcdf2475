"""How fast the embedded ledger is on this machine.

A fresh network of three members in a temporary folder, the ledger in its process, the load in another, over
TLS on the loopback. What is measured is what the product does: `release:Anchor`, endorsed by all three
members, counted when its commit was acknowledged as VALID, and `release:GetAnchor`.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veilmesh_network.certificates import NodeRole
from veilmesh_network.errors import NetworkError
from veilmesh_network.network import Network, down, up

BENCH_NODE = "bench-node"
"""The identity of Org1 that the load signs with."""

_MEMBERS = 3
_LONGEST_S = 300.0


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Rates at `concurrency` clients on one connection; the lone submit is one client alone.

    The CPU times are of one such call, in the ledger's process and in the load's.
    """

    submit_per_s: float
    lone_submit_p50_ms: float
    evaluate_per_s: float
    submit_ledger_cpu_ms: float
    submit_load_cpu_ms: float
    evaluate_ledger_cpu_ms: float
    evaluate_load_cpu_ms: float
    submits: int
    lone_submits: int
    evaluates: int
    concurrency: int
    endorsements: int  # of each transaction
    blocks: int  # the chain's height in the end


@dataclass(frozen=True, slots=True)
class BenchSize:
    """How much to do; the figures settle long before the standard size is through."""

    submits: int = 3000
    lone_submits: int = 50
    evaluates: int = 8000
    concurrency: int = 100


async def bench_ledger(
    size: BenchSize | None = None,
    progress: Callable[[str], None] = lambda _: None,
    *,
    on_loaded: Callable[[Network], None] | None = None,
) -> BenchResult:
    """Measure; everything that was started is gone when this returns.

    Args:
        size: how much to do.
        progress: is told what happens, for people.
        on_loaded: is given the network while it still runs, in a thread of its own.

    Raises:
        NetworkError: the ledger did not start, or the load failed.
    """
    size = size or BenchSize()
    with tempfile.TemporaryDirectory(prefix="veilmesh-bench-") as parent:
        folder = Path(parent) / "network"
        network = up(folder, members=_MEMBERS, port=0, progress=progress).network
        try:
            network.members[0].issue(BENCH_NODE, role=NodeRole.CLIENT, attributes={"role": "node"})
            progress(
                f"{size.lone_submits} submits one by one, then {size.submits} submits and "
                f"{size.evaluates} evaluates at concurrency {size.concurrency}"
            )
            measured = await _load(folder, size)
            if on_loaded is not None:
                await asyncio.to_thread(on_loaded, network)
        finally:
            down(folder)
    return BenchResult(
        submits=size.submits,
        lone_submits=size.lone_submits,
        evaluates=size.evaluates,
        concurrency=size.concurrency,
        endorsements=_MEMBERS,
        **measured,
    )


async def _load(folder: Path, size: BenchSize) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "veilmesh_network.bench_load", str(folder)),
        *(str(size.submits), str(size.lone_submits), str(size.evaluates), str(size.concurrency)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        answer, said = await asyncio.wait_for(process.communicate(), _LONGEST_S)
    except TimeoutError as err:
        process.kill()
        await process.communicate()
        raise NetworkError(f"the load did not end within {_LONGEST_S:.0f} s") from err
    if process.returncode != 0:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise NetworkError(f"the load failed: {' '.join(last) or 'it said nothing'}")
    figures: dict[str, Any] = json.loads(answer)
    return figures
