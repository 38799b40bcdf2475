"""Blocks and state on disk: together or not at all, and a view that does not change."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_fabric.rwset import Version
from veilmesh_fabric.world_state import StateEntry
from veilmesh_network.embedded.store import HistoryEntry, LedgerStore, TransactionRecord
from veilmesh_network.errors import StorageError

from tests.unit.network.ledger_file import NAMESPACE, block, fill, key


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LedgerStore]:
    store = LedgerStore(tmp_path / "ledger.db")
    yield store
    store.close()


def test_what_was_committed_is_there_after_opening_again(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.db")
    fill(store, {"a": b"1"}, {"a": b"2", "b": b"1"})
    store.close()
    again = LedgerStore(tmp_path / "ledger.db")
    assert again.height == 2
    assert (again.block(1), again.header_hash(0)) == (b"block 1", b"hash 0")
    with again.snapshot() as snapshot:
        assert snapshot.get(key("a")) == StateEntry(b"2", {}, Version(1, 0))
        assert snapshot.transaction("tx1") == TransactionRecord("tx1", 1, 0, 0)
        assert snapshot.transaction("tx2") is None
    again.close()


def test_a_deleted_key_is_gone_and_its_history_is_not(store: LedgerStore) -> None:
    fill(store, {"a": b"1"}, {"a": None}, {"a": b"3"})
    with store.snapshot() as snapshot:
        assert snapshot.history(NAMESPACE, "a") == [
            HistoryEntry("tx2", 1002, b"3"),
            HistoryEntry("tx1", 1001, None),
            HistoryEntry("tx0", 1000, b"1"),
        ]
    store.commit(block(3, {"a": None}))
    with store.snapshot() as snapshot:
        assert snapshot.get(key("a")) is None


def test_metadata_are_kept_with_the_key(store: LedgerStore) -> None:
    store.commit(block(0, {"a": b"1"}, {"a": {"VALIDATION_PARAMETER": b"policy", "other": b"x"}}))
    with store.snapshot() as snapshot:
        entry = snapshot.get(key("a"))
    assert entry is not None
    assert entry.metadata == {"VALIDATION_PARAMETER": b"policy", "other": b"x"}


def test_a_snapshot_does_not_see_later_blocks(store: LedgerStore) -> None:
    fill(store, {"a": b"1"})
    with store.snapshot() as before:
        assert before.get(key("a")) == StateEntry(b"1", {}, Version(0, 0))
        store.commit(block(1, {"a": b"2"}))
        assert before.get(key("a")) == StateEntry(b"1", {}, Version(0, 0))
        with store.snapshot() as after:
            assert after.get(key("a")) == StateEntry(b"2", {}, Version(1, 0))


def test_snapshots_of_one_block_remember_together_and_of_two_apart(store: LedgerStore) -> None:
    statements: list[str] = []
    fill(store, {"a": b"1"})
    with store.snapshot() as snapshot:
        snapshot._connection.set_trace_callback(
            statements.append
        )  # of the one connection: none is open beside
        assert snapshot.get(key("a")) == StateEntry(b"1", {}, Version(0, 0))
        assert snapshot.get(key("b")) is None
    asked = _state_reads(statements)
    with store.snapshot() as again:
        assert again.get(key("a")) == StateEntry(b"1", {}, Version(0, 0))
        assert again.get(key("b")) is None
    assert _state_reads(statements) == asked == 2
    store.commit(block(1, {"a": None, "b": b"2"}))
    with store.snapshot() as after:
        assert after.get(key("a")) is None
        assert after.get(key("b")) == StateEntry(b"2", {}, Version(1, 0))
    assert _state_reads(statements) == 4


def _state_reads(statements: list[str]) -> int:
    return sum("FROM state" in statement for statement in statements)


def test_what_is_remembered_is_bounded(store: LedgerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilmesh_network.embedded.store._MOST_REMEMBERED", 3)
    fill(store, {name: name.encode() for name in "abcdefgh"})
    for _ in range(2):
        with store.snapshot() as snapshot:
            for name in "abcdefgh":
                entry = snapshot.get(key(name))
                assert entry is not None
                assert entry.value == name.encode()
                assert len(store._known) <= 3


def test_a_block_that_cannot_be_written_leaves_nothing(store: LedgerStore) -> None:
    fill(store, {"a": b"1"})
    with pytest.raises(StorageError, match="block 0 cannot be written"):
        store.commit(block(0, {"a": b"2"}))  # its number is taken
    with store.snapshot() as snapshot:
        assert snapshot.get(key("a")) == StateEntry(b"1", {}, Version(0, 0))
    store.commit(block(1, {"a": b"2"}))


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.db")
    fill(store, {"a": b"1"})
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageError, match="full"):
        store.commit(block(1, {"a": b"2", "b": b"x" * 100_000}))
    assert store.height == 1
    store._writer.execute("PRAGMA max_page_count = 1000")
    store.commit(block(1, {"a": b"2"}))
    with store.snapshot() as snapshot:
        assert snapshot.get(key("a")) == StateEntry(b"2", {}, Version(1, 0))
    store.close()


def test_the_first_transaction_of_an_id_keeps_it(store: LedgerStore) -> None:
    fill(store, {"a": b"1"})
    duplicate = TransactionRecord("tx0", 1, 0, 9)
    later = block(1, {})
    store.commit(type(later)(1, b"hash", b"block", [duplicate], {}, []))
    with store.snapshot() as snapshot:
        assert snapshot.transaction("tx0") == TransactionRecord("tx0", 0, 0, 0)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"something else" * 100)
    with pytest.raises(StorageError, match="cannot be opened"):
        LedgerStore(tmp_path / "ledger.db")


_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(names=st.sets(_names, max_size=12), start=_names, end=_names)
def test_ranges_are_in_the_order_of_utf_8_bytes(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], start: str, end: str
) -> None:
    store = LedgerStore(tmp_path_factory.mktemp("ledger") / "ledger.db")
    fill(store, dict.fromkeys(names, b"1"))
    in_order = sorted((name for name in names), key=str.encode)
    with store.snapshot() as snapshot:
        assert list(snapshot.scan(NAMESPACE, start, end)) == [
            name for name in in_order if start.encode() <= name.encode() < end.encode()
        ]
        assert list(snapshot.scan(NAMESPACE, "", "")) == in_order
    store.close()
