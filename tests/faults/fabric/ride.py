"""One fault under load: what clients saw, how long until they were served again, and what was lost."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256

from veilmesh_fabric import FabricError, blocks, connect
from veilmesh_fabric.block import Block, decode_block
from veilmesh_fabric.verification import verify_blocks

from tests.fabric_network import FabricNetwork
from tests.faults.fabric.load import Record, load

SOME = 30  # acknowledged changes before the fault, so that there is something to lose
WARM_UP_S = 60.0
BACK_WITHIN_S = 90.0  # on a machine that does much else
CAUGHT_UP_WITHIN_S = 60.0
AFTER_S = 2.0  # of load once everybody is served again
_VALID = 0


@dataclass(frozen=True, slots=True)
class Ride:
    """What a fault came to."""

    fault: str
    back_s: float  # until the first change that was begun after the fault was acknowledged, to anybody
    all_back_s: float  # the same to clients of every member
    whole_s: float  # until all processes were up and every member's own gateway and chaincode answered
    errors: Mapping[str, int]  # that clients saw, by kind
    acknowledged: int

    def __str__(self) -> str:
        seen = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.errors.items())) or "nothing"
        return (
            f"{self.fault}: served after {self.back_s:.1f} s, every member after {self.all_back_s:.1f} s, "
            f"all up after {self.whole_s:.1f} s; clients saw {seen}; "
            f"{self.acknowledged} changes acknowledged, none lost, none twice"
        )


async def ride_out(network: FabricNetwork, fault: str, strike: Callable[[], Awaitable[None]]) -> Ride:
    """Strike under load, wait until every member is served again, and read the ledger back from each peer.

    Args:
        network: founded.
        fault: what happens, for people.
        strike: makes it happen; it may take its time.

    Raises:
        AssertionError: a member was not served again, or the ledger does not hold what was acknowledged.
    """
    record = Record()
    async with load(network, record):
        await _until(lambda: len(record.acknowledged) >= SOME, WARM_UP_S, "the load did not come to speed")
        struck_s = time.monotonic()
        await strike()
        await _until(
            lambda: all(record.back_s(struck_s, msp_id) is not None for msp_id in network.members),
            BACK_WITHIN_S,
            f"not every member was served again after: {fault}; seen: {record.errors}",
        )
        await _all_up(network)
        whole_s = time.monotonic() - struck_s
        await asyncio.sleep(AFTER_S)
    await _require_whole(network, record)
    back = [record.back_s(struck_s, msp_id) or 0.0 for msp_id in network.members]
    return Ride(fault, min(back), max(back), whole_s, record.errors, len(record.acknowledged))


def killing(network: FabricNetwork, *names: str) -> Callable[[], Awaitable[None]]:
    """Return a strike: `kill -9` of these processes, at once."""

    async def strike() -> None:
        for pid in [network.pid(name) for name in names]:
            os.kill(pid, signal.SIGKILL)

    return strike


def pausing(network: FabricNetwork, name: str, for_s: float) -> Callable[[], Awaitable[None]]:
    """Return a strike: a process stands still for a while, its connections open."""

    async def strike() -> None:
        pid = network.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s)
        finally:
            os.kill(pid, signal.SIGCONT)

    return strike


async def _all_up(network: FabricNetwork) -> None:
    """Wait until every member's own gateway has its own chaincode answer."""
    for msp_id in network.members:
        deadline = time.monotonic() + BACK_WITHIN_S
        async with network.contract(msp_id) as contract:
            while True:
                try:
                    await contract.evaluate("registry:GetConsortium", endorsing_organizations=[msp_id])
                except FabricError:
                    assert time.monotonic() < deadline, f"the chaincode of {msp_id} is not back"
                    await asyncio.sleep(0.2)
                else:
                    break


async def _require_whole(network: FabricNetwork, record: Record) -> None:
    """Read each peer's ledger: nothing acknowledged is missing, nothing stands there twice, all are alike."""
    assert not record.unresolved
    chains = await _chains(network)
    first = next(iter(chains.values()))
    report = verify_blocks(first, anchor=network.genesis)
    assert report.violation is None, report.violation
    for msp_id, chain in chains.items():
        decoded = [decode_block(block) for block in chain]
        assert _digest(decoded) == _digest([decode_block(block) for block in first]), f"{msp_id} differs"
        valid = Counter(
            transaction.tx_id
            for block in decoded
            for transaction, code in zip(block.transactions, block.metadata.validation_codes, strict=True)
            if code == _VALID
        )
        lost = [each.tx_id for each in record.acknowledged if each.tx_id not in valid]
        assert not lost, f"{len(lost)} acknowledged changes are not on the ledger of {msp_id}"
        models = Counter(record.sent[tx_id] for tx_id in valid.elements() if tx_id in record.sent)
        twice = [model for model, count in models.items() if count > 1]
        assert not twice, f"{len(twice)} changes stand twice on the ledger of {msp_id}"


def _digest(chain: list[Block]) -> bytes:
    """Return one digest of everything that peers have to agree on; orderers' signatures may differ."""
    whole = sha256()
    for block in chain:
        whole.update(block.header.data_hash + block.header.previous_hash + block.metadata.validation_codes)
    return whole.digest()


async def _chains(network: FabricNetwork) -> dict[str, list[bytes]]:
    """Return every member's peer's blocks, once all have as many."""
    deadline = time.monotonic() + CAUGHT_UP_WITHIN_S
    while True:
        async with AsyncExitStack() as stack:
            chains: dict[str, list[bytes]] = {}
            for msp_id in network.members:
                where = network.network.gateways(msp_id)[0]
                channel = await stack.enter_async_context(connect(where, network.tls_roots))
                stream = blocks(channel, network.identity(msp_id), network.network.channel, stop="newest")
                chains[msp_id] = [block.SerializeToString(deterministic=True) async for block in stream]
        if len({len(chain) for chain in chains.values()}) == 1:
            return chains
        assert time.monotonic() < deadline, {msp_id: len(chain) for msp_id, chain in chains.items()}
        await asyncio.sleep(0.2)


async def _until(holds: Callable[[], bool], within_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.05)
