"""How far an audit has come, in a file, so that the next one verifies only what is new.

    with AuditCheckpoint.open(path) as checkpoint:
        verifier = ChainVerifier(anchor, standing=checkpoint.load(genesis_hash))
        ...
        checkpoint.save(verifier.standing)

The file is an SQLite database and holds a whole `Standing`: counts, the configuration in force, the state as
of the last verified block, and the ids of all transactions. `save` writes what changed since the last one, in
one transaction, so that an audit which is killed leaves the file as it last was. It also holds what the
caller wants kept with it (`notes`).

It is as good as whoever can write it: like the channel's first block, it belongs to the auditor, in a folder
that nobody else can change. It is tied to that first block and refused for another channel's.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from veilmesh_fabric.errors import CheckpointError, DecodeError
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.rwset import Version
from veilmesh_fabric.standing import Configuration, Standing, Unsaved
from veilmesh_fabric.verification_report import Remarks, Tally
from veilmesh_fabric.world_state import StateEntry, StateKey, WorldState

_FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    namespace TEXT, collection TEXT, key BLOB, value BLOB, metadata TEXT NOT NULL,
    block INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (namespace, collection, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS expirations (
    ends INTEGER, namespace TEXT, collection TEXT, key BLOB, block INTEGER, position INTEGER
);
CREATE TABLE IF NOT EXISTS transactions (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class AuditCheckpoint:
    """One audit's file; whoever has it open is alone with it."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the checkpoint in `path`, which need not exist yet.

        Raises:
            CheckpointError: it cannot be read or written, is no checkpoint, or another audit has it open.
        """
        with _told(path):
            database = sqlite3.connect(path, timeout=0, isolation_level=None)
        checkpoint = cls(path, database)
        try:
            with _told(path):
                database.execute("PRAGMA locking_mode = EXCLUSIVE")
                database.execute("PRAGMA synchronous = FULL")
                database.execute("BEGIN EXCLUSIVE")
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    database.execute(statement)
                database.execute("COMMIT")
        except CheckpointError:
            database.close()
            raise
        return checkpoint

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def load(self, genesis_hash: bytes | None) -> tuple[Standing, Any] | None:
        """Return where verification stands, and what was kept with it; None where nothing was saved yet.

        Args:
            genesis_hash: of the first block's header that is trusted now; None: whichever the file names.

        Raises:
            CheckpointError: it is of a channel with another first block, or not readable.
        """
        with _told(self._path):
            about = dict(self._database.execute("SELECT name, value FROM about"))
            try:
                return self._loaded(about, genesis_hash) if about else None
            except (ValueError, KeyError, TypeError) as err:
                raise CheckpointError(f"checkpoint {self._path} is not readable: {err!r}") from err

    def save(self, standing: Standing, notes: Any = None) -> None:
        """Write where verification stands, wholly or not at all.

        Args:
            standing: as `load` returned it and as it went on since then, or one that was never saved.
            notes: JSON, to be returned by `load`.

        Raises:
            CheckpointError: the file cannot be written; it is as it was.
        """
        unsaved, standing.unsaved = standing.unsaved, Unsaved()
        keys = standing.state.keys() if unsaved is None else unsaved.keys
        tx_ids = standing.known_ids if unsaved is None else unsaved.tx_ids
        with _told(self._path):
            self._database.execute("BEGIN")
            try:
                self._write(standing, notes)
                self._database.executemany(
                    "INSERT OR IGNORE INTO transactions VALUES (?)", ((tx_id,) for tx_id in tx_ids)
                )
                for key in keys:
                    self._write_entry(key, standing.state.get(key))
                self._database.execute("COMMIT")
            except BaseException:
                standing.unsaved = unsaved
                self._database.execute("ROLLBACK")
                raise

    def _write(self, standing: Standing, notes: Any) -> None:
        about = {
            "format": json.dumps(_FORMAT),
            "genesis_hash": standing.genesis_hash,
            "channel": standing.configuration.config.channel_id,
            "config_envelope": standing.configuration.envelope,
            "config_block": json.dumps(standing.configuration.block),
            "last_hash": standing.last_hash,
            "last_codes": standing.last_codes,
            "commit_hash": standing.state.commit_hash,
            "has_commit_hashes": json.dumps(standing.has_commit_hashes),
            "time": standing.time.isoformat(),
            "tally": json.dumps(_tally_document(standing.tally)),
            "notes": json.dumps(notes),
        }
        self._database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())
        self._database.execute("DELETE FROM expirations")
        self._database.executemany(
            "INSERT INTO expirations VALUES (?, ?, ?, ?, ?, ?)",
            ((ends, *key, *version) for ends, key, version in standing.state.expirations()),
        )

    def _write_entry(self, key: StateKey, entry: StateEntry | None) -> None:
        if entry is None:
            where = "namespace = ? AND collection = ? AND key = ?"
            self._database.execute(f"DELETE FROM entries WHERE {where}", key)  # noqa: S608 - no foreign text
            return
        metadata = json.dumps({name: value.hex() for name, value in entry.metadata.items()})
        self._database.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*key, entry.value, metadata, *entry.version),
        )

    def _loaded(self, about: dict[str, Any], genesis_hash: bytes | None) -> tuple[Standing, Any]:
        if json.loads(about["format"]) != _FORMAT:
            raise CheckpointError(f"checkpoint {self._path} was written by another version: begin a new one")
        if genesis_hash not in {None, about["genesis_hash"]}:
            raise CheckpointError(
                f"checkpoint {self._path} is of another channel: its first block has the hash "
                f"{about['genesis_hash'].hex()}, the trusted one {(genesis_hash or b'').hex()}"
            )
        return self._standing(about), json.loads(about["notes"])

    def _standing(self, about: dict[str, Any]) -> Standing:
        state = WorldState()
        state.commit_hash = about["commit_hash"]
        for namespace, collection, key, value, metadata, block, position in self._database.execute(
            "SELECT namespace, collection, key, value, metadata, block, position FROM entries"
        ):
            entries = {name: bytes.fromhex(text) for name, text in json.loads(metadata).items()}
            entry = StateEntry(value, entries, Version(block, position))
            state.restore(StateKey(namespace, collection, key), entry)
        for ends, namespace, collection, key, block, position in self._database.execute(
            "SELECT ends, namespace, collection, key, block, position FROM expirations"
        ):
            state.expire(ends, StateKey(namespace, collection, key), Version(block, position))
        try:
            configuration = Configuration.read(
                about["channel"], about["config_envelope"], json.loads(about["config_block"]), state
            )
        except DecodeError as err:
            raise ValueError(f"its configuration is none: {err}") from err
        return Standing(
            configuration=configuration,
            genesis_hash=about["genesis_hash"],
            last_hash=about["last_hash"],
            last_codes=about["last_codes"],
            time=datetime.fromisoformat(about["time"]),
            state=state,
            tally=_tally(json.loads(about["tally"])),
            known_ids={tx_id for (tx_id,) in self._database.execute("SELECT id FROM transactions")},
            has_commit_hashes=json.loads(about["has_commit_hashes"]),
            unsaved=Unsaved(),
        )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what SQLite can raise into one error."""
    try:
        yield
    except sqlite3.OperationalError as err:
        if err.sqlite_errorname == "SQLITE_BUSY":
            raise CheckpointError(f"checkpoint {path} is in use by another audit") from err
        raise CheckpointError(f"checkpoint {path}: {err}") from err
    except sqlite3.DatabaseError as err:
        raise CheckpointError(f"{path} is no checkpoint of an audit: {err}") from err


def _tally_document(tally: Tally) -> Any:
    return {
        "blocks": tally.blocks,
        "signatures": tally.signatures,
        "block_signatures": tally.block_signatures,
        "commit_hashes": tally.commit_hashes,
        "verdicts": [[*verdict, count] for verdict, count in tally.verdicts.items()],
        "organizations": sorted(tally.organizations),
        "taken_on_trust": [tally.taken_on_trust.kept, tally.taken_on_trust.left_out],
        "notes": [tally.notes.kept, tally.notes.left_out],
    }


def _tally(document: Any) -> Tally:
    return Tally(
        blocks=document["blocks"],
        signatures=document["signatures"],
        block_signatures=document["block_signatures"],
        commit_hashes=document["commit_hashes"],
        verdicts=Counter(
            {
                (kind, code, None if rule is None else Rule(rule)): count
                for kind, code, rule, count in document["verdicts"]
            }
        ),
        organizations=set(document["organizations"]),
        taken_on_trust=Remarks(*document["taken_on_trust"]),
        notes=Remarks(*document["notes"]),
    )
