"""What a contract may do in one transaction, and the read-write set that comes of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fabric_protos.peer import chaincode_event_pb2
from veilmesh_chaincode.pending_writes import MisuseError
from veilmesh_chaincode.stub import Creator
from veilmesh_fabric.policy import SignaturePolicy
from veilmesh_fabric.range_digest import RangeDigest
from veilmesh_fabric.rwset import (
    VALIDATION_PARAMETER,
    NamespaceReadWriteSet,
    RangeQuery,
    Read,
    ReadWriteSet,
    Version,
    Write,
)
from veilmesh_network.embedded.simulator import Invocation, Simulation
from veilmesh_network.embedded.store import LedgerStore

from tests.unit.network.ledger_file import NAMESPACE, block

_CREATOR = Creator("Org1MSP", "00" * 32, frozenset({"client"}), {})
_INVOCATION = Invocation("tx", "veilmesh", NAMESPACE, _CREATOR, 1_800_000_000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LedgerStore]:
    store = LedgerStore(tmp_path / "ledger.db")
    store.commit(block(0, {f"k{number:02}": b"%d" % number for number in range(60)}))
    yield store
    store.close()


@pytest.fixture
def simulation(store: LedgerStore) -> Iterator[Simulation]:
    with store.snapshot() as snapshot:
        yield Simulation(_INVOCATION, snapshot)


def _set(simulation: Simulation) -> NamespaceReadWriteSet:
    (part,) = ReadWriteSet.from_bytes(simulation.read_write_set({})).namespaces
    assert part.namespace == NAMESPACE
    return part


async def test_reads_carry_their_versions(simulation: Simulation) -> None:
    assert await simulation.get_state("k01") == b"1"
    assert await simulation.get_state("absent") is None
    assert await simulation.get_state("k01") == b"1"
    assert _set(simulation).reads == (Read("absent", None), Read("k01", Version(0, 0)))


async def test_own_writes_are_not_seen(simulation: Simulation) -> None:
    await simulation.put_state("k01", b"new")
    await simulation.put_state("k01", b"newer")
    await simulation.delete_state("k02")
    assert (await simulation.get_state("k01"), await simulation.get_state("k02")) == (b"1", b"2")
    assert _set(simulation).writes == (Write("k01", b"newer"), Write("k02", None))


async def test_the_order_of_calls_does_not_show(store: LedgerStore) -> None:
    results = []
    for names in (("a", "b"), ("b", "a")):
        with store.snapshot() as snapshot:
            simulation = Simulation(_INVOCATION, snapshot)
            for name in names:
                await simulation.get_state(name)
                await simulation.put_state(name, b"1")
                await simulation.set_endorsers(name, ["Org2MSP", "Org1MSP"])
            results.append(simulation.read_write_set({"other": [Read("x", Version(0, 0))]}))
    assert results[0] == results[1]


async def test_a_page_and_what_it_guards(simulation: Simulation) -> None:
    page = await simulation.get_range("k", "l", limit=2)
    assert (page.entries, page.bookmark) == ([("k00", b"0"), ("k01", b"1")], "k02")
    following = await simulation.get_range("k", "l", limit=100, bookmark="k57")
    assert ([key for key, _ in following.entries], following.bookmark) == (["k57", "k58", "k59"], "")
    seen = tuple(Read(name, Version(0, 0)) for name in ("k00", "k01", "k57", "k58", "k59"))
    assert _set(simulation).range_queries == (
        RangeQuery("k", "k01", exhausted=False, results=seen[:2]),
        RangeQuery("k57", "l", exhausted=True, results=seen[2:]),
    )


async def test_more_than_fifty_results_are_folded(simulation: Simulation) -> None:
    await simulation.get_range("k", "l", limit=51)
    (query,) = _set(simulation).range_queries
    assert isinstance(query.results, RangeDigest)


async def test_a_page_and_a_write_exclude_each_other(store: LedgerStore) -> None:
    with store.snapshot() as snapshot:
        reading = Simulation(_INVOCATION, snapshot)
        await reading.get_range("k", "l", limit=1)
        for write in (
            reading.put_state("a", b"1"),
            reading.delete_state("a"),
            reading.set_endorsers("a", ["Org1MSP"]),
        ):
            with pytest.raises(MisuseError, match="belongs to queries"):
                await write
        writing = Simulation(_INVOCATION, snapshot)
        await writing.put_state("a", b"1")
        with pytest.raises(MisuseError, match="belongs to queries"):
            await writing.get_range("k", "l", limit=1)


async def test_what_no_ledger_can_hold_is_refused(simulation: Simulation) -> None:
    with pytest.raises(MisuseError, match="is empty"):
        await simulation.put_state("a", b"")
    with pytest.raises(MisuseError, match="must not be empty"):
        await simulation.put_state("", b"1")
    with pytest.raises(MisuseError, match="at least 1"):
        await simulation.get_range("k", "l", limit=0)


async def test_endorsers_are_a_peer_of_each(simulation: Simulation) -> None:
    await simulation.set_endorsers("a", ["Org2MSP", "Org1MSP", "Org2MSP"])
    (write,) = _set(simulation).metadata_writes
    assert write.key == "a"
    policy = SignaturePolicy.from_bytes(write.entries[VALIDATION_PARAMETER])
    assert str(policy) == "2 of (peer of Org1MSP, peer of Org2MSP)"


async def test_history_newest_first(store: LedgerStore) -> None:
    store.commit(block(1, {"k01": None}))
    with store.snapshot() as snapshot:
        simulation = Simulation(_INVOCATION, snapshot)
        versions = await simulation.get_history("k01")
        assert [(each.tx_id, each.at_s, each.value) for each in versions] == [
            ("tx1", 1001, None),
            ("tx0", 1000, b"1"),
        ]
        assert not _set(simulation).reads


async def test_one_event(simulation: Simulation) -> None:
    assert simulation.event_bytes() == b""
    simulation.set_event("first", b"1")
    simulation.set_event("last", b"2")
    event = chaincode_event_pb2.ChaincodeEvent.FromString(simulation.event_bytes())
    assert (event.chaincode_id, event.tx_id, event.event_name, event.payload) == (
        NAMESPACE,
        "tx",
        "last",
        b"2",
    )
