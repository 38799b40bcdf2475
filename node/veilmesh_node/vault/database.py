"""The node's one SQLite file: the templates of the vault and the operation journal share its transactions.

WAL with synchronous=FULL: what was committed is on the disk. `secure_delete` overwrites what is deleted, and
`scrub` empties the write-ahead log, so that a destroyed key is in neither file. The folder is 0700, its files
0600, and a lock file keeps a second process out.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from veilmesh_node.errors import StorageFullError, VaultError, VaultInUseError

SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT;
CREATE TABLE templates (
    reference_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active')),
    model_digest TEXT NOT NULL,
    commitment TEXT NOT NULL,
    surrogate_cid TEXT NOT NULL,
    wrapped_key BLOB NOT NULL,
    sealed BLOB NOT NULL,
    receipt BLOB NOT NULL,
    sealed_notes BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY (reference_id, version)
) STRICT;
CREATE INDEX templates_by_content ON templates (surrogate_cid);
CREATE TABLE operations (
    operation_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_mac TEXT NOT NULL,
    subject TEXT NOT NULL,
    step TEXT NOT NULL,
    state TEXT NOT NULL,
    tx_id TEXT NOT NULL,
    envelope BLOB,
    started_at_s INTEGER NOT NULL,
    updated_at_s INTEGER NOT NULL,
    UNIQUE (kind, idempotency_key)
) STRICT;
CREATE INDEX operations_by_step ON operations (step);
CREATE INDEX operations_by_subject ON operations (subject);
"""

# What makes the schema of each version that of the next.
_UPGRADES = {1: "ALTER TABLE templates ADD COLUMN sealed_notes BLOB NOT NULL DEFAULT x'';"}


class Database:
    """An open database. Used from one thread; closed by whoever opened it."""

    def __init__(self, folder: Path) -> None:
        """Open, or make, the database in `folder`.

        Raises:
            VaultInUseError: another process has it open.
            VaultError: not a database of this version.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(folder)
        try:
            with _translated():
                self._connection = _connect(folder / "vault.db")
        except VaultError:
            os.close(self._lock)
            raise
        self._depth = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside at its end, or nothing of it; an inner one joins the outer.

        Raises:
            StorageFullError: no space left; nothing was changed.
            VaultError: the database could not be used.
        """
        if self._depth:
            yield
            return
        self._depth += 1
        try:
            with _translated():
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
        finally:
            self._depth -= 1

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Run one statement and return how many rows it changed."""
        with _translated():
            return self._connection.execute(statement, parameters).rowcount

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return all rows, each readable by column name."""
        with _translated():
            return self._connection.execute(query, parameters).fetchall()

    def scrub(self) -> None:
        """Empty the write-ahead log, which still holds the pages from before a deletion."""
        with _translated():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "vault.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(descriptor)
        raise VaultInUseError(folder) from err
    return descriptor


def _connect(path: Path) -> sqlite3.Connection:
    # SQLite gives its side files the mode of the main one, so that is made first.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    # The service calls from its event loop's thread, which need not be the one that opened.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not 0 <= version <= SCHEMA_VERSION:
        connection.close()
        raise VaultError(f"{path} has schema {version}; this program knows {SCHEMA_VERSION}")
    if version < SCHEMA_VERSION:
        changes = "".join(_UPGRADES[old] for old in range(version, SCHEMA_VERSION)) if version else _SCHEMA
        connection.executescript(f"BEGIN;{changes}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
    return connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as err:
        if getattr(err, "sqlite_errorname", "") == "SQLITE_FULL":
            raise StorageFullError("no space left for the vault") from err
        raise VaultError(f"vault: {err}") from err
