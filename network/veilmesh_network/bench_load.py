"""The load of `bench.py`, in a process of its own.

`python -m veilmesh_network.bench_load NET SUBMITS LONE EVALUATES CONCURRENCY` prints one JSON document: the
figures that `BenchResult` names and `BenchSize` does not.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median

from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.registry import FoundConsortium, NodeId, NodeRole, RegisterNode
from veilmesh_chaincode.records.release import AnchorBatch, MerkleRoot
from veilmesh_fabric import Contract, Gateway, SigningIdentity, SubmittedTransaction, connect

from veilmesh_network.bench import BENCH_NODE, BenchSize
from veilmesh_network.network import OPERATOR, Network
from veilmesh_network.organisation import Organisation
from veilmesh_network.supervisor import LedgerProcess

_NODE_ID = "bench"
_WARM_UP = 100


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one call costs, on average."""

    wall_s: float
    ledger_cpu_s: float
    load_cpu_s: float


async def _main(folder: Path, size: BenchSize) -> dict[str, float]:
    network = Network.load(folder)
    ledger = LedgerProcess(folder)
    members = network.members
    async with connect(network.address, network.tls_roots.read_bytes()) as channel:

        def contract(member: Organisation, name: str) -> Contract:
            identity = SigningIdentity.from_msp_folder(member.identity(name).msp_dir, member.msp_id)
            return Gateway(channel, identity).contract(network.channel, network.chaincode)

        node = contract(members[0], BENCH_NODE)
        await _prepare(network, node, [contract(member, OPERATOR) for member in members])
        await _at_once(ledger, _WARM_UP, size.concurrency, lambda number: _anchor(node, f"warm {number}"))
        lone_s = []
        for number in range(size.lone_submits):
            start = time.perf_counter()
            await _anchor(node, f"lone {number}")
            lone_s.append(time.perf_counter() - start)
        submit = await _at_once(
            ledger, size.submits, size.concurrency, lambda number: _anchor(node, str(number))
        )
        evaluate = await _at_once(
            ledger, size.evaluates, size.concurrency, lambda number: _get(node, str(number % size.submits))
        )
        last = await _anchor(node, "last")
    return {
        "submit_per_s": round(1 / submit.wall_s, 1),
        "lone_submit_p50_ms": round(median(lone_s) * 1000, 2),
        "evaluate_per_s": round(1 / evaluate.wall_s, 1),
        "submit_ledger_cpu_ms": round(submit.ledger_cpu_s * 1000, 3),
        "submit_load_cpu_ms": round(submit.load_cpu_s * 1000, 3),
        "evaluate_ledger_cpu_ms": round(evaluate.ledger_cpu_s * 1000, 3),
        "evaluate_load_cpu_ms": round(evaluate.load_cpu_s * 1000, 3),
        "blocks": last.block_number + 1,
    }


async def _prepare(network: Network, node: Contract, operators: list[Contract]) -> None:
    """Found the consortium and have its members approve the node."""
    founding = FoundConsortium(
        members=[member.msp_id for member in network.members],
        auditors=[auditor.msp_id for auditor in network.auditors],
    )
    registration = RegisterNode(
        node_id=_NODE_ID,
        endpoint="127.0.0.1:7443",
        tls_certificate_sha256=sha256(b"tls").hexdigest(),
        sealing_suite="none",
        sealing_public_key="00" * 32,
        roles=[NodeRole.OWNER],
    )
    await _submit(operators[0], "registry:FoundConsortium", founding)
    await _submit(node, "registry:RegisterNode", registration)
    for operator in operators[: len(operators) // 2 + 1]:
        await _submit(operator, "registry:ApproveNode", NodeId(node_id=_NODE_ID))


async def _anchor(node: Contract, name: str) -> SubmittedTransaction:
    return await _submit(node, "release:Anchor", AnchorBatch(merkle_root=_root(name), leaf_count=1))


async def _get(node: Contract, name: str) -> bytes:
    return await node.evaluate("release:GetAnchor", MerkleRoot(merkle_root=_root(name)).to_bytes())


async def _submit(contract: Contract, function: str, request: Document) -> SubmittedTransaction:
    return await contract.submit(function, request.to_bytes())


def _root(name: str) -> str:
    return sha256(name.encode()).hexdigest()


async def _at_once(
    ledger: LedgerProcess, count: int, concurrency: int, work: Callable[[int], Awaitable[object]]
) -> _Cost:
    """Do `work` for 0 to count - 1, `concurrency` at a time; return what one of them took."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    start = time.perf_counter(), ledger.cpu_s(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())
    end = time.perf_counter(), ledger.cpu_s(), time.process_time()
    return _Cost(*((after - before) / count for before, after in zip(start, end, strict=True)))


if __name__ == "__main__":
    submits, lone_submits, evaluates, concurrency = map(int, sys.argv[2:])
    figures = asyncio.run(_main(Path(sys.argv[1]), BenchSize(submits, lone_submits, evaluates, concurrency)))
    sys.stdout.write(json.dumps(figures) + "\n")
