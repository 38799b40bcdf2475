"""The state that blocks lead to: scans, digests of long ones, expiry, encodings."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from veilmesh_fabric.range_digest import RangeDigest, Read, Version, range_digest
from veilmesh_fabric.rwset import (
    CollectionHashes,
    HashedRead,
    HashedWrite,
    NamespaceReadWriteSet,
    RangeQuery,
    ReadWriteSet,
    Write,
)
from veilmesh_fabric.world_state import BlockUpdates, StateKey, WorldState, commit_hash


def results(
    writes: Sequence[Write] = (),
    ranges: Sequence[RangeQuery] = (),
    collections: Sequence[CollectionHashes] = (),
) -> ReadWriteSet:
    part = NamespaceReadWriteSet("cc", (), tuple(ranges), tuple(writes), (), tuple(collections))
    return ReadWriteSet((part,))


def commit(state: WorldState, number: int, *written: ReadWriteSet, lifetime: int = 0) -> None:
    updates = BlockUpdates(state)
    for index, each in enumerate(written):
        updates.apply(each, Version(number, index))
    state.commit(updates, number, b"", lambda _namespace, _collection: lifetime)


@given(st.lists(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=4), max_size=8))
def test_scan_sees_what_is_there(blocks: list[list[tuple[str, bool]]]) -> None:
    state, model = WorldState(), {}
    for number, writes in enumerate(blocks, start=1):
        commit(state, number, *(results([Write(key, b"v" if put else None)]) for key, put in writes))
        for index, (key, put) in enumerate(writes):
            if put:
                model[key] = Version(number, index)
            else:
                model.pop(key, None)
        assert list(state.scan("cc", "", "")) == sorted(model)
        assert list(state.scan("cc", "b", "e")) == [key for key in sorted(model) if "b" <= key < "e"]
    for key, version in model.items():
        entry = state.get(StateKey("cc", "", key))
        assert entry is not None
        assert entry.version == version


def reads(count: int) -> list[Read]:
    return [Read(f"key{number:04}", Version(number, 0)) for number in range(count)]


def test_few_results_are_not_digested() -> None:
    assert range_digest(reads(50), 50) is None
    assert range_digest([], 2) is None
    assert range_digest(reads(9), 1) is None


def test_digest_of_one_batch_and_a_bit() -> None:
    """Four results of degree two: a leaf of three and a leaf of one."""
    digest = range_digest(reads(4), 2)
    assert digest is not None
    assert (digest.level, len(digest.hashes)) == (1, 2)


@given(st.integers(2, 4), st.integers(0, 120))
def test_digest_has_no_more_hashes_than_its_degree(max_degree: int, count: int) -> None:
    digest = range_digest(reads(count), max_degree)
    if count <= max_degree:
        assert digest is None
    else:
        assert digest is not None
        assert 1 <= len(digest.hashes) <= max_degree


@given(st.integers(6, 60), st.data())
def test_digest_changes_with_any_result(count: int, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, count - 1))
    changed = reads(count)
    changed[position] = Read(changed[position].key, Version(10**6, 1))
    missing = reads(count)
    del missing[position]
    assert len({range_digest(each, 2) for each in (reads(count), changed, missing)}) == 3


def test_tree_of_two_levels() -> None:
    """Twelve results of degree two: four leaves, the first three of them combined as soon as they are there.

    Written out from the rule, so that it stands beside the code as a second opinion.
    """
    from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

    def leaf(batch: Sequence[Read]) -> bytes:
        message = kv_rwset_pb2.QueryReads()
        for read in batch:
            assert read.version is not None
            entry = message.kv_reads.add(key=read.key)
            entry.version.block_num, entry.version.tx_num = read.version
            entry.version.SetInParent()
        return sha256(message.SerializeToString()).digest()

    leaves = [leaf(reads(12)[start : start + 3]) for start in range(0, 12, 3)]
    combined = sha256(b"".join(leaves[:3])).digest()
    assert range_digest(reads(12), 2) == RangeDigest(2, 2, (combined, leaves[3]))


@pytest.mark.parametrize("changed", [False, True])
def test_phantom_found_by_digest(changed: bool) -> None:
    state = WorldState()
    commit(state, 1, results([Write(f"key{number:04}", b"v") for number in range(20)]))
    seen = range_digest([Read(f"key{number:04}", Version(1, 0)) for number in range(20)], 3)
    assert seen is not None
    if changed:
        commit(state, 2, results([Write("key0005", b"w")]))
    query = RangeQuery("key", "kez", exhausted=True, results=seen)
    conflict = BlockUpdates(state).read_conflict(results(ranges=[query]))
    assert (conflict is not None and conflict.phantom) is changed


def test_unfinished_scan_ends_with_the_last_key_it_saw() -> None:
    state = WorldState()
    commit(state, 1, results([Write(key, b"v") for key in "abcd"]))
    seen = tuple(Read(key, Version(1, 0)) for key in "abc")
    query = results(ranges=[RangeQuery("a", "c", exhausted=False, results=seen)])
    assert BlockUpdates(state).read_conflict(query) is None
    commit(state, 2, results([Write("d", b"w")]))
    assert BlockUpdates(state).read_conflict(query) is None
    commit(state, 3, results([Write("c", None)]))
    assert BlockUpdates(state).read_conflict(query) is not None


def private(key: bytes, value: bytes | None) -> ReadWriteSet:
    return results(collections=[CollectionHashes("own", (), (HashedWrite(key, value),), ())])


def private_read(key: bytes, version: Version | None) -> ReadWriteSet:
    return results(collections=[CollectionHashes("own", (HashedRead(key, version),), (), ())])


def test_private_read() -> None:
    state = WorldState()
    commit(state, 1, private(b"k", b"v"))
    assert BlockUpdates(state).read_conflict(private_read(b"k", Version(1, 0))) is None
    conflict = BlockUpdates(state).read_conflict(private_read(b"k", None))
    assert conflict is not None
    assert "cc's collection own was read at no version, but is at version 1:0" in conflict.reason


def test_private_data_expire() -> None:
    """Written in block 1 to live for two blocks, gone with the commit of block 4."""
    state = WorldState()
    key = StateKey("cc", "own", b"k")
    commit(state, 1, private(b"k", b"v"), lifetime=2)
    for number in (2, 3):
        commit(state, number)
        assert state.get(key)
    commit(state, 4)
    assert state.get(key) is None


def test_rewritten_private_data_live_on() -> None:
    state = WorldState()
    key = StateKey("cc", "own", b"k")
    commit(state, 1, private(b"k", b"v"), lifetime=2)
    commit(state, 2)
    commit(state, 3, private(b"k", b"w"), lifetime=2)
    commit(state, 4)
    commit(state, 5)
    assert state.get(key)
    commit(state, 6)
    assert state.get(key) is None


def test_commit_hash_covers_codes_and_writes() -> None:
    hashes = set()
    for codes, value in ((b"\0", b"v"), (b"\x0b", b"v"), (b"\0", b"w"), (b"\0", None)):
        updates = BlockUpdates(WorldState())
        updates.apply(results([Write("k", value)]), Version(1, 0))
        hashes.add(commit_hash(b"", codes, updates))
    assert len(hashes) == 4


def test_encoding_of_updates() -> None:
    """Checked field by field against the message `KVWrite` of Fabric's `txmgr/updates.proto`."""
    updates = BlockUpdates(WorldState())
    updates.apply(results([Write("b", b"v"), Write("a", None)]), Version(300, 0))
    deleted = b"\x0a\x02cc" + b"\x1a\x01a" + b"\x20\x01" + b"\x32\x04\x02\x01\x2c\x00"
    written = b"\x1a\x01b" + b"\x2a\x01v" + b"\x32\x04\x02\x01\x2c\x00"
    expected = b"".join(b"\x0a" + bytes([len(each)]) + each for each in (deleted, written))
    assert updates.encoded() == expected
