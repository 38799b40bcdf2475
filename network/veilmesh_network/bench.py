"""How fast a ledger is on this machine: the embedded one, or real peers and orderers.

A fresh network of three members in a temporary folder, and the load in a process of its own, over TLS on the
loopback, each member's clients at the gateway of their own organisation. What is measured is what the product
does, and what it is measured by is a commit acknowledged as VALID:

- `release:Anchor`, the root of one batch of privacy receipts;
- the same with the whole batch: 10,000 receipts hashed, their tree built, its root anchored;
- `enrolment:Register`, which writes a reference that only its owner's peer may endorse from then on;
- `authentication:Open` by another organisation, and then `authentication:Conclude` by the owner;
- `release:GetAnchor`, evaluated.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from veilmesh_network.certificates import NodeRole
from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.plan import Orderers, PortPlan
from veilmesh_network.loopback import free_ports
from veilmesh_network.network import Network
from veilmesh_network.running import down, up

BENCH_NODE = "bench-node"
"""The identity of each member that the load signs with."""

RECEIPTS_A_BATCH = 10_000

_MEMBERS = 3
_LONGEST_S = 900.0


class Operation(StrEnum):
    """What one client does again and again; the values are for people."""

    ANCHOR = "anchor"
    ANCHOR_BATCH = "anchor 10,000 receipts"
    REGISTER = "register"
    AUTHENTICATE = "open and conclude"
    EVALUATE = "evaluate"


@dataclass(frozen=True, slots=True)
class Stage:
    """One line of the table: `count` operations by `concurrency` clients."""

    operation: Operation
    concurrency: int
    count: int


STAGES = (
    Stage(Operation.ANCHOR, 1, 30),
    Stage(Operation.ANCHOR, 20, 500),
    Stage(Operation.ANCHOR, 100, 2000),
    Stage(Operation.ANCHOR, 400, 4000),
    Stage(Operation.REGISTER, 1, 20),
    Stage(Operation.REGISTER, 20, 300),
    Stage(Operation.REGISTER, 100, 1000),
    Stage(Operation.REGISTER, 400, 2000),
    Stage(Operation.AUTHENTICATE, 1, 10),
    Stage(Operation.AUTHENTICATE, 20, 200),
    Stage(Operation.AUTHENTICATE, 100, 600),
    Stage(Operation.AUTHENTICATE, 400, 1200),
    Stage(Operation.EVALUATE, 1, 300),
    Stage(Operation.EVALUATE, 20, 3000),
    Stage(Operation.EVALUATE, 100, 8000),
    Stage(Operation.EVALUATE, 400, 8000),
    Stage(Operation.ANCHOR_BATCH, 20, 100),
)
"""What `veilmesh bench ledger` does. Authentications use up references: one each, so that none waits."""


@dataclass(frozen=True, slots=True)
class StageFigures:
    """What one stage came to. The CPU times are of one operation, in all of the ledger and in the load."""

    operation: Operation
    concurrency: int
    count: int
    per_s: float
    p50_ms: float
    p99_ms: float
    ledger_cpu_ms: float
    load_cpu_ms: float


@dataclass(frozen=True, slots=True)
class BenchResult:
    ledger: str  # "embedded", "raft", "raft3" or "bft"
    stages: Sequence[StageFigures]
    endorsements: int  # at most, of a transaction: as many as there are members
    blocks: int  # the chain's height in the end
    memory_mib: Mapping[str, float]  # resident, of each process of the ledger, after the load

    @property
    def receipts_per_s(self) -> float:
        """Receipts anchored a second; 0 where no stage anchored whole batches."""
        rates = (each.per_s for each in self.stages if each.operation is Operation.ANCHOR_BATCH)
        return max(rates, default=0.0) * RECEIPTS_A_BATCH


@dataclass(frozen=True, slots=True)
class _Told:
    """What the load says."""

    stages: Sequence[StageFigures]
    blocks: int
    memory_mib: Mapping[str, float]


async def bench_ledger(
    stages: Sequence[Stage] = STAGES,
    progress: Callable[[str], None] = lambda _: None,
    *,
    orderers: Orderers | None = None,
    on_loaded: Callable[[Network], None] | None = None,
) -> BenchResult:
    """Measure; everything that was started is gone when this returns.

    Args:
        stages: what to do, in this order.
        progress: is told what happens, for people.
        orderers: of a real Fabric network; None for the embedded ledger.
        on_loaded: is given the network while it still runs, in a thread of its own.

    Raises:
        NetworkError: the ledger did not start, or the load failed.
    """
    with tempfile.TemporaryDirectory(prefix="veilmesh-bench-") as parent:
        folder = Path(parent) / "network"
        fabric = orderers is not None
        port = free_ports(PortPlan.span(_MEMBERS)) if fabric else 0
        try:
            network = up(
                folder, members=_MEMBERS, port=port, fabric=fabric, orderers=orderers, progress=progress
            ).network
            for member in network.members:
                member.issue(BENCH_NODE, role=NodeRole.CLIENT, attributes={"role": "node"})
            told = await _load(folder, stages, progress)
            if on_loaded is not None:
                await asyncio.to_thread(on_loaded, network)
        finally:
            if (folder / "network.toml").exists():
                down(folder)
    return BenchResult(
        ledger="embedded" if orderers is None else orderers.value,
        endorsements=_MEMBERS,
        stages=told.stages,
        blocks=told.blocks,
        memory_mib=told.memory_mib,
    )


async def _load(folder: Path, stages: Sequence[Stage], progress: Callable[[str], None]) -> _Told:
    """Run the load, which prints a line of JSON for each stage, and at last one about the whole."""
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "veilmesh_network.bench_load", str(folder)),
            json.dumps([asdict(stage) for stage in stages]),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
        lines: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(_LONGEST_S):
                async for line in cast("asyncio.StreamReader", process.stdout):
                    lines.append(json.loads(line))
                    if len(lines) <= len(stages):
                        progress(_said(stages[len(lines) - 1], lines[-1]))
                status = await process.wait()
        except TimeoutError as err:
            raise NetworkError(f"the load did not end within {_LONGEST_S:.0f} s") from err
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if status != 0:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip(" \n+-").splitlines()[-1:]
            raise NetworkError(f"the load failed: {' '.join(said).strip(' |') or 'it said nothing'}")
    return _Told(
        [StageFigures(**asdict(stage), **line) for stage, line in zip(stages, lines[:-1], strict=True)],
        **lines[-1],
    )


def _said(stage: Stage, line: Mapping[str, float]) -> str:
    return f"{stage.operation}, {stage.concurrency} at once: {line['per_s']:,.0f}/s"
