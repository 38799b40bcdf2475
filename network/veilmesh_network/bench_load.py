"""The load of `bench.py`, in a process of its own: `python -m veilmesh_network.bench_load NET STAGES`.

STAGES is a JSON list of what `Stage` has. For each stage one line of JSON is printed, with what
`StageFigures` adds to it, and at last one with the height and the memory of the ledger's processes.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import quantiles

from veilmesh_chaincode.records.authentication import (
    Authentication,
    ConcludeAuthentication,
    OpenAuthentication,
    Outcome,
)
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import RegisterReference
from veilmesh_chaincode.records.merkle import MerkleTree, leaf_hash
from veilmesh_chaincode.records.policy import (
    ExchangeMode,
    GateLevel,
    PolicyProposal,
    ProposePolicy,
    Terms,
    VotePolicy,
)
from veilmesh_chaincode.records.registry import ApproveModel, FoundConsortium, NodeId, NodeRole, RegisterNode
from veilmesh_chaincode.records.release import AnchorBatch, MerkleRoot
from veilmesh_fabric import Contract, Gateway, SigningIdentity, SubmittedTransaction, connect

from veilmesh_network.bench import BENCH_NODE, RECEIPTS_A_BATCH, Operation, Stage
from veilmesh_network.network import OPERATOR, Network
from veilmesh_network.process_usage import cpu_s, ledger_pids, resident_mib

_MODEL = sha256(b"model").hexdigest()
_COMMITMENT = sha256(b"commitment").hexdigest()
_SURROGATE = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"  # a CID of a raw block
_PURPOSE = "bench"
_DAY_S = 24 * 3600
_LEVEL_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Clients:
    """Who acts: the owner's node, another organisation's, and all operators."""

    owner: Contract
    relying: Contract
    operators: Sequence[Contract]
    gateways: Sequence[Gateway]  # one for each member


class Load:
    """The operations by name; each counts its own calls, so that every one writes something new."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._counts = dict.fromkeys(Operation, 0)
        self._works: dict[Operation, Callable[[int], Awaitable[object]]] = {
            Operation.ANCHOR: self._anchor,
            Operation.ANCHOR_BATCH: self._anchor_batch,
            Operation.REGISTER: self._register,
            Operation.AUTHENTICATE: self._authenticate,
            Operation.EVALUATE: self._evaluate,
        }

    async def do(self, operation: Operation) -> None:
        number = self._counts[operation]
        self._counts[operation] += 1
        await self._works[operation](number)

    async def _anchor(self, number: int) -> None:
        await _submit(
            self._clients.owner, "release:Anchor", AnchorBatch(merkle_root=_root(number), leaf_count=1)
        )

    async def _anchor_batch(self, number: int) -> None:
        tree = MerkleTree([leaf_hash(b"%d/%d" % (number, each)) for each in range(RECEIPTS_A_BATCH)])
        request = AnchorBatch(merkle_root=tree.root.hex(), leaf_count=len(tree))
        await _submit(self._clients.owner, "release:Anchor", request)

    async def _register(self, number: int) -> None:
        request = RegisterReference(
            reference_id=_reference(number),
            template_commitment=_COMMITMENT,
            surrogate_cid=_SURROGATE,
            anonymizer="mask",
            receipt_sha256=_COMMITMENT,
            consent_sha256=_COMMITMENT,
            model_digest=_MODEL,
            expires_at_s=int(time.time()) + _DAY_S,
        )
        await _submit(self._clients.owner, "enrolment:Register", request)

    async def _authenticate(self, number: int) -> None:
        opening = OpenAuthentication(
            reference_id=_reference(number),
            purpose=_PURPOSE,
            mode=ExchangeMode.SEALED,
            probe_commitment=_COMMITMENT,
            model_digest=_MODEL,
        )
        opened = await _submit(self._clients.relying, "authentication:Open", opening)
        authentication = Authentication.from_bytes(opened.result)
        await self._clients.owner.commit_status(opened.tx_id)  # until the owner's peer has it, too
        concluding = ConcludeAuthentication(
            authentication_id=authentication.authentication_id, outcome=Outcome.MATCH
        )
        await _submit(self._clients.owner, "authentication:Conclude", concluding)

    async def _evaluate(self, number: int) -> None:
        anchored = MerkleRoot(merkle_root=_root(number % max(1, self._counts[Operation.ANCHOR])))
        await self._clients.owner.evaluate("release:GetAnchor", anchored.to_bytes())


async def _main(folder: Path, stages: Sequence[Stage]) -> None:
    network = Network.load(folder)
    async with _clients(network) as clients:
        await _prepare(network, clients)
        load = Load(clients)
        for stage in stages:
            await _level(network, clients)
            _tell(await _measure(network, load, stage))
        last = await _submit(
            clients.owner, "release:Anchor", AnchorBatch(merkle_root=_root(-1), leaf_count=1)
        )
        height = last.block_number + 1
    memory = {name: round(resident_mib(pid), 1) for name, pid in ledger_pids(network).items()}
    _tell({"blocks": height, "memory_mib": memory})


@asynccontextmanager
async def _clients(network: Network) -> AsyncIterator[Clients]:
    async with AsyncExitStack() as stack:
        roots = network.tls_roots.read_bytes()
        nodes: list[Contract] = []
        operators: list[Contract] = []
        gateways: list[Gateway] = []
        for member in network.members:
            channel = await stack.enter_async_context(connect(network.gateways(member.msp_id)[0], roots))
            node, operator = (
                Gateway(
                    channel, SigningIdentity.from_msp_folder(member.identity(name).msp_dir, member.msp_id)
                )
                for name in (BENCH_NODE, OPERATOR)
            )
            gateways.append(node)
            nodes.append(node.contract(network.channel, network.chaincode))
            operators.append(operator.contract(network.channel, network.chaincode))
        yield Clients(nodes[0], nodes[1], operators, gateways)


async def _level(network: Network, clients: Clients) -> None:
    """Wait until every member's peer has all blocks: what one stage wrote, the next one reads."""
    while True:
        heights = {await gateway.height(network.channel) for gateway in clients.gateways}
        if len(heights) == 1:
            return
        await asyncio.sleep(_LEVEL_POLL_S)


async def _prepare(network: Network, clients: Clients) -> None:
    """Found the consortium; have two nodes, a model and a policy approved by a majority."""

    async def agree(contract: Contract, function: str, request: Document) -> SubmittedTransaction:
        submitted = await _submit(contract, function, request)
        await _level(network, clients)  # the next one may act through a peer that is a block behind
        return submitted

    majority = clients.operators[: len(clients.operators) // 2 + 1]
    founding = FoundConsortium(
        members=[member.msp_id for member in network.members],
        auditors=[auditor.msp_id for auditor in network.auditors],
    )
    await agree(majority[0], "registry:FoundConsortium", founding)
    for node_id, node in (("owner", clients.owner), ("relying", clients.relying)):
        registration = RegisterNode(
            node_id=node_id,
            endpoint="127.0.0.1:7443",
            tls_certificate_sha256=_COMMITMENT,
            sealing_suite="none",
            sealing_public_key="00" * 32,
            roles=[NodeRole.OWNER, NodeRole.RELYING, NodeRole.DECIDER],
        )
        await agree(node, "registry:RegisterNode", registration)
        for operator in majority:
            await agree(operator, "registry:ApproveNode", NodeId(node_id=node_id))
    for operator in majority:
        await agree(operator, "registry:ApproveModel", ApproveModel(model_digest=_MODEL, name="bench"))
    terms = Terms(
        threshold_micro=600_000,
        purposes=[_PURPOSE],
        exchange_modes=[ExchangeMode.SEALED],
        anonymizers=["mask"],
        gate_level=GateLevel.STANDARD,
        attempt_limit=3,
        attempt_window_s=_DAY_S,
        lock_out_s=900,
        authentication_expiry_s=120,
        reference_retention_s=2 * _DAY_S,
    )
    proposed = await agree(majority[0], "policy:Propose", ProposePolicy(base_version=0, terms=terms))
    proposal_id = PolicyProposal.from_bytes(proposed.result).proposal_id
    for operator in majority[1:]:
        await agree(operator, "policy:Vote", VotePolicy(proposal_id=proposal_id, approve=True))


async def _measure(network: Network, load: Load, stage: Stage) -> dict[str, float]:
    """Do one stage; return what `StageFigures` adds to it."""
    numbers = iter(range(stage.count))
    took_s: list[float] = []

    async def client() -> None:
        for _ in numbers:
            start = time.perf_counter()
            await load.do(stage.operation)
            took_s.append(time.perf_counter() - start)

    pids = ledger_pids(network).values()
    ledger_s, load_s, start = sum(map(cpu_s, pids)), time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(stage.concurrency):
            group.create_task(client())
    wall_s = time.perf_counter() - start
    load_s, ledger_s = time.process_time() - load_s, sum(map(cpu_s, pids)) - ledger_s
    percentiles = quantiles(took_s, n=100, method="inclusive")
    return {
        "per_s": round(stage.count / wall_s, 1),
        "p50_ms": round(percentiles[49] * 1000, 2),
        "p99_ms": round(percentiles[98] * 1000, 2),
        "ledger_cpu_ms": round(ledger_s / stage.count * 1000, 3),
        "load_cpu_ms": round(load_s / stage.count * 1000, 3),
    }


async def _submit(contract: Contract, function: str, request: Document) -> SubmittedTransaction:
    return await contract.submit(function, request.to_bytes())


def _reference(number: int) -> str:
    return sha256(b"reference %d" % number).hexdigest()[:32]


def _root(number: int) -> str:
    return sha256(b"root %d" % number).hexdigest()


def _tell(figures: object) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    planned = [
        Stage(**{**each, "operation": Operation(each["operation"])}) for each in json.loads(sys.argv[2])
    ]
    asyncio.run(_main(Path(sys.argv[1]), planned))
