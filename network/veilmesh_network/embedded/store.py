"""Blocks and state on disk: one SQLite file in which a block and what it changes appear together.

The journal is written ahead and synchronised at every commit (WAL, synchronous=FULL): when `commit` has
returned, the block survives a crash of the process or the machine. One thread writes; readers see the last
committed block and do not wait for the writer.

Keys are UTF-8 bytes, compared bytewise as in Fabric's LevelDB; a composite key starts with a zero byte.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from veilmesh_fabric.rwset import Version
from veilmesh_fabric.world_state import StateEntry, StateKey

from veilmesh_network.errors import StorageError

_NO_METADATA: Mapping[str, bytes] = MappingProxyType({})
_MOST_REMEMBERED = 10_000  # entries of the state
_CHECKPOINT_PAGES = 4000  # 16 MiB of journal: pages that many blocks change are copied back once

_SCHEMA = """
CREATE TABLE IF NOT EXISTS blocks (
    number INTEGER PRIMARY KEY,
    header_hash BLOB NOT NULL,
    block BLOB NOT NULL            -- common.Block, metadata included
);
CREATE TABLE IF NOT EXISTS transactions (
    tx_id TEXT PRIMARY KEY,
    block INTEGER NOT NULL,
    position INTEGER NOT NULL,
    code INTEGER NOT NULL          -- TxValidationCode
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (
    namespace TEXT NOT NULL,
    collection TEXT NOT NULL,      -- '': public
    key BLOB NOT NULL,             -- of a collection: the key's SHA-256, and the value's likewise
    value BLOB NOT NULL,
    metadata BLOB,                 -- kvrwset.KVMetadataWrite with the entries alone
    block INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (namespace, collection, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    namespace TEXT NOT NULL,
    key BLOB NOT NULL,
    block INTEGER NOT NULL,
    position INTEGER NOT NULL,
    tx_id TEXT NOT NULL,
    at_s INTEGER NOT NULL,         -- the transaction's own time
    value BLOB,                    -- NULL: deleted
    PRIMARY KEY (namespace, key, block, position)
) WITHOUT ROWID;
"""


class TransactionRecord(NamedTuple):
    """Where a transaction stands, and how it was judged."""

    tx_id: str
    block: int
    position: int
    code: int


class HistoryEntry(NamedTuple):
    tx_id: str
    at_s: int
    value: bytes | None


class HistoryChange(NamedTuple):
    namespace: str
    key: str
    version: Version
    entry: HistoryEntry


@dataclass(frozen=True, slots=True)
class BlockCommit:
    """A block and everything that it changes."""

    number: int
    header_hash: bytes
    block: bytes
    transactions: Sequence[TransactionRecord]
    state: Mapping[StateKey, StateEntry]  # what the keys it wrote hold afterwards
    history: Sequence[HistoryChange]


class Snapshot:
    """The state as of one block, whatever is committed meanwhile; so what was read once stays as it is.

    All snapshots of one block remember together: most proposals read the same few keys.
    """

    def __init__(self, connection: sqlite3.Connection, known: dict[StateKey, StateEntry | None]) -> None:
        """View the state inside a transaction of `connection`; `known` is what is in it already."""
        self._connection = connection
        self._known = known

    def get(self, key: StateKey) -> StateEntry | None:
        if key in self._known:
            return self._known[key]
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        entry = self._known[key] = self._fetch(key)
        return entry

    def _fetch(self, key: StateKey) -> StateEntry | None:
        row = self._connection.execute(
            "SELECT value, metadata, block, position FROM state"
            " WHERE namespace = ? AND collection = ? AND key = ?",
            (key.namespace, key.collection, _stored(key.key)),
        ).fetchone()
        return None if row is None else StateEntry(row[0], _entries(row[1]), Version(row[2], row[3]))

    def scan(self, namespace: str, start: str, end: str) -> Iterator[str]:
        """Yield the public keys in [start, end), in order; "" as `end`: no end."""
        return (key for key, _, _ in self.page(namespace, start, end))

    def page(
        self, namespace: str, start: str, end: str, *, limit: int | None = None
    ) -> Iterator[tuple[str, bytes, Version]]:
        """Yield the public keys in [start, end) with their values, in order; `limit` of them at most."""
        rows = self._connection.execute(
            "SELECT key, value, block, position FROM state"
            " WHERE namespace = ? AND collection = '' AND key >= ? AND (? OR key < ?) ORDER BY key LIMIT ?",
            (namespace, start.encode(), not end, end.encode(), -1 if limit is None else limit),
        )
        return ((key.decode(), value, Version(block, position)) for key, value, block, position in rows)

    def history(self, namespace: str, key: str) -> list[HistoryEntry]:
        """Return every committed value of `key`, newest first."""
        rows = self._connection.execute(
            "SELECT tx_id, at_s, value FROM history WHERE namespace = ? AND key = ?"
            " ORDER BY block DESC, position DESC",
            (namespace, key.encode()),
        )
        return [HistoryEntry(*row) for row in rows]

    def transaction(self, tx_id: str) -> TransactionRecord | None:
        return _transaction(self._connection, tx_id)


class LedgerStore:
    """The file. Reads belong to the thread that opened it, `commit` to one other at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file at `path`, or make it.

        Raises:
            StorageError: it cannot be opened, or is no ledger.
        """
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._known_at = 0  # the height at which the state is as `_known` says
        self._known: dict[StateKey, StateEntry | None] = {}
        try:
            self._writer = self._connect()
            self._writer.executescript(_SCHEMA)
        except sqlite3.Error as err:
            raise StorageError(f"ledger file {path} cannot be opened: {err}") from err

    def close(self) -> None:
        for connection in (*self._idle, self._writer):
            connection.close()

    @property
    def height(self) -> int:
        """The number of committed blocks."""
        with self._reader() as connection:
            return _height(connection)

    def block(self, number: int) -> bytes:
        """Return the block as it was committed.

        Raises:
            KeyError: there is none of that number.
        """
        with self._reader() as connection:
            row = connection.execute("SELECT block FROM blocks WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise KeyError(number)
        return bytes(row[0])

    def header_hash(self, number: int) -> bytes:
        with self._reader() as connection:
            row = connection.execute("SELECT header_hash FROM blocks WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise KeyError(number)
        return bytes(row[0])

    def transaction(self, tx_id: str) -> TransactionRecord | None:
        with self._reader() as connection:
            return _transaction(connection, tx_id)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Give a view that does not change until the context ends. Several may be open."""
        with self._reader() as connection:
            connection.execute("BEGIN")
            try:
                height = _height(connection)  # with the first read SQLite settles what the transaction sees
                if height != self._known_at:
                    self._known_at, self._known = height, {}
                yield Snapshot(connection, self._known)
            finally:
                connection.rollback()

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; each statement by itself sees the last block that is committed then."""
        connection = self._idle.pop() if self._idle else self._connect()
        try:
            yield connection
        finally:
            self._idle.append(connection)

    def commit(self, commit: BlockCommit) -> None:
        """Write a block and what it changes; when this returns, they are on disk.

        Raises:
            StorageError: the disk is full or broken; nothing of the block was written.
        """
        try:
            with self._writer as writer:
                writer.execute("BEGIN IMMEDIATE")
                writer.execute(
                    "INSERT INTO blocks VALUES (?, ?, ?)", (commit.number, commit.header_hash, commit.block)
                )
                # The first transaction of an id keeps it; a later one is judged a duplicate in its block
                # alone.
                writer.executemany(
                    "INSERT OR IGNORE INTO transactions VALUES (?, ?, ?, ?)", commit.transactions
                )
                writer.executemany(
                    "DELETE FROM state WHERE namespace = ? AND collection = ? AND key = ?",
                    [_stored_key(key) for key, entry in commit.state.items() if entry.value is None],
                )
                writer.executemany(
                    "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [
                        (*_stored_key(key), entry.value, _stored_metadata(entry.metadata), *entry.version)
                        for key, entry in commit.state.items()
                        if entry.value is not None
                    ],
                )
                writer.executemany(
                    "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [(h.namespace, h.key.encode(), *h.version, *h.entry) for h in commit.history],
                )
        except sqlite3.Error as err:
            raise StorageError(f"block {commit.number} cannot be written to {self._path}: {err}") from err

    def _connect(self) -> sqlite3.Connection:
        # The writer's connection is opened here and used in the committing thread, never in two at once.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        return connection


def _height(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(number) FROM blocks").fetchone()
    return 0 if last is None else int(last) + 1


def _transaction(connection: sqlite3.Connection, tx_id: str) -> TransactionRecord | None:
    row = connection.execute(
        "SELECT tx_id, block, position, code FROM transactions WHERE tx_id = ?", (tx_id,)
    ).fetchone()
    return None if row is None else TransactionRecord(*row)


def _stored(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key


def _stored_key(key: StateKey) -> tuple[str, str, bytes]:
    return key.namespace, key.collection, _stored(key.key)


def _stored_metadata(entries: Mapping[str, bytes]) -> bytes | None:
    if not entries:
        return None
    message = kv_rwset_pb2.KVMetadataWrite()
    for name, value in sorted(entries.items()):
        message.entries.add(name=name, value=value)
    return bytes(message.SerializeToString())


def _entries(stored: bytes | None) -> Mapping[str, bytes]:
    if stored is None:
        return _NO_METADATA
    return {entry.name: entry.value for entry in kv_rwset_pb2.KVMetadataWrite.FromString(stored).entries}
