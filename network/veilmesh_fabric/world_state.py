"""The state that a chain of blocks leads to, rebuilt from their write sets.

Every valid transaction's writes are applied in order, with the height as version, so that three things can be
computed anew that a peer only asserts: whether a transaction read what was current (`read_conflict`), which
definition or endorsement policy held for a key, and the commit hash that chains all of it.

A block is applied in two steps: its transactions into `BlockUpdates` on top of the committed state, then
those into the state. Private data enter by the hashes that the block holds.

Source: Fabric v3.1 `core/ledger/kvledger/txmgmt/validation/{validator,tx_ops}.go` for reads and writes,
`kvledger/kv_ledger.go` and `txmgmt/txmgr/update_batch_bytes.go` for the commit hash.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeAlias

from veilmesh_fabric.range_digest import RangeDigest, range_digest
from veilmesh_fabric.rwset import (
    CollectionHashes,
    HashedWrite,
    RangeQuery,
    Read,
    ReadWriteSet,
    Version,
    Write,
)

Lifetime: TypeAlias = Callable[[str, str], int]
"""Of a chaincode's private collection, in blocks; 0: its data never expire."""

_NO_METADATA: Mapping[str, bytes] = MappingProxyType({})


class StateKey(NamedTuple):
    """A key of a chaincode, or the hash of one of a private collection's."""

    namespace: str
    collection: str  # "" for public state
    key: str | bytes  # str in public state, else the key's SHA-256


class StateEntry(NamedTuple):
    value: bytes | None  # None: deleted in this block; in a collection, the value's SHA-256
    metadata: Mapping[str, bytes]
    version: Version


@dataclass(frozen=True, slots=True)
class ReadConflict:
    """A transaction read something that was no longer so when its turn came."""

    phantom: bool  # a range holds other keys or versions than were seen; else a single key does
    reason: str


class State(Protocol):
    """The state after a committed block, wherever it is kept."""

    def get(self, key: StateKey) -> StateEntry | None: ...

    def scan(self, namespace: str, start: str, end: str) -> Iterator[str]:
        """Yield the public keys in [start, end), in order; "" as `end`: no end."""
        ...


class WorldState:
    """The state after the last committed block, in memory."""

    def __init__(self) -> None:
        self._entries: dict[StateKey, StateEntry] = {}
        self._sorted_keys: dict[str, list[str]] = {}  # by namespace, of those that were ever scanned
        self._expiring: dict[int, list[tuple[StateKey, Version]]] = {}  # by the block that ends them
        self.commit_hash = b""

    def get(self, key: StateKey) -> StateEntry | None:
        return self._entries.get(key)

    def scan(self, namespace: str, start: str, end: str) -> Iterator[str]:
        """Yield the public keys in [start, end), in order; "" as `end`: no end."""
        keys = self._sorted_keys.get(namespace)
        if keys is None:
            keys = sorted(str(key.key) for key in self._entries if key[:2] == (namespace, ""))
            self._sorted_keys[namespace] = keys
        for index in range(bisect_left(keys, start), len(keys)):
            if end and keys[index] >= end:
                return
            yield keys[index]

    def commit(
        self, updates: "BlockUpdates", number: int, commit_hash: bytes, lifetime: Lifetime
    ) -> list[StateKey]:
        """Apply a block's updates; return the keys that it changed, those that expired with it among them.

        Args:
            updates: of the block's valid transactions.
            number: the block's.
            commit_hash: that they lead to.
            lifetime: of the private collections.
        """
        changed = list(updates.entries)
        for key, entry in updates.entries.items():
            self._apply(key, entry)
            blocks = lifetime(key.namespace, key.collection) if key.collection else 0
            if blocks:
                self.expire(number + blocks + 1, key, entry.version)
        for key, version in self._expiring.pop(number, ()):
            latest = self._entries.get(key)
            if latest and latest.version.block == version.block:
                del self._entries[key]
                changed.append(key)
        self.commit_hash = commit_hash
        return changed

    def keys(self) -> Iterable[StateKey]:
        """Return all keys, in no order."""
        return self._entries.keys()

    def expirations(self) -> Iterator[tuple[int, StateKey, Version]]:
        """Yield what will expire: with which block, which key, if it still has this version."""
        for block, expiring in self._expiring.items():
            for key, version in expiring:
                yield block, key, version

    def restore(self, key: StateKey, entry: StateEntry) -> None:
        """Set an entry as it was, before anything is scanned."""
        self._entries[key] = entry

    def expire(self, block: int, key: StateKey, version: Version) -> None:
        """Let a key expire with a block, unless it is written again before."""
        self._expiring.setdefault(block, []).append((key, version))

    def _apply(self, key: StateKey, entry: StateEntry) -> None:
        scanned = None if key.collection else self._sorted_keys.get(key.namespace)
        if entry.value is None:
            existed = self._entries.pop(key, None) is not None
            if scanned is not None and existed:
                del scanned[bisect_left(scanned, str(key.key))]
        else:
            if scanned is not None and key not in self._entries:
                insort(scanned, str(key.key))
            self._entries[key] = entry


@dataclass(slots=True)
class BlockUpdates:
    """What the valid transactions of one block have written so far."""

    state: State
    entries: dict[StateKey, StateEntry] = field(default_factory=dict)

    def read_conflict(self, results: ReadWriteSet) -> ReadConflict | None:
        """Return the first thing that `results` read and that is not so any more, in Fabric's order."""
        for part in results.namespaces:
            conflict = (
                self._public_conflict(part.namespace, part.reads)
                or self._phantom(part.namespace, part.range_queries)
                or self._private_conflict(part.namespace, part.collections)
            )
            if conflict:
                return conflict
        return None

    def apply(self, results: ReadWriteSet, version: Version) -> None:
        """Add a valid transaction's writes."""
        for key, operation in _operations(results).items():
            before = self.entries.get(key) or self.state.get(key)
            if before is not None and before.value is None:
                before = None
            if operation.deletes:
                self.entries[key] = StateEntry(None, _NO_METADATA, version)
                continue
            value, metadata = operation.value, operation.metadata
            if value is None:
                if before is None:
                    continue  # metadata alone bring no key into being
                value = before.value
            if metadata is None:
                metadata = before.metadata if before else _NO_METADATA
            self.entries[key] = StateEntry(value, metadata, version)

    def encoded(self) -> bytes:
        """Return the updates as the commit hash covers them.

        That is a message with one repeated field of writes, sorted by namespace, collection (public state
        first) and key; a write names its namespace or collection only where it differs from the one before.
        """
        encoded = []
        namespace = collection = ""
        in_order = sorted([(_hashing_order(key), entry) for key, entry in self.entries.items()])
        for key, (value, _, version) in in_order:
            same_namespace = key[0] == namespace
            write = b"".join(
                (
                    b"" if same_namespace else _field(1, key[0].encode()),
                    b"" if same_namespace and key[1] == collection else _field(2, key[1].encode()),
                    _field(3, key[2]),
                    _DELETED if value is None else _field(5, value),
                    _field(6, _order_preserving(version.block) + _order_preserving(version.transaction)),
                )
            )
            encoded.append(_field(1, write))
            namespace, collection = key[0], key[1]
        return b"".join(encoded)

    def _public_conflict(self, namespace: str, reads: Iterable[Read]) -> ReadConflict | None:
        for name, version in reads:
            reason = self._stale(StateKey(namespace, "", name), version)
            if reason:
                return ReadConflict(phantom=False, reason=f"key {name!r} of {namespace} {reason}")
        return None

    def _private_conflict(
        self, namespace: str, collections: Iterable[CollectionHashes]
    ) -> ReadConflict | None:
        for part in collections:
            for read in part.reads:
                reason = self._stale(StateKey(namespace, part.name, read.key_hash), read.version)
                if reason:
                    name = f"key with hash {read.key_hash.hex()} of {namespace}'s collection {part.name}"
                    return ReadConflict(phantom=False, reason=f"{name} {reason}")
        return None

    def _stale(self, key: StateKey, version: Version | None) -> str:
        """Return what is wrong with having read `key` at `version`, or ""."""
        if key in self.entries:
            return "was written by an earlier transaction of this block"
        entry = self.state.get(key)
        current = entry.version if entry else None
        if current != version:
            return f"was read at {_height(version)}, but is at {_height(current)}"
        return ""

    def _phantom(self, namespace: str, queries: Iterable[RangeQuery]) -> ReadConflict | None:
        for query in queries:
            reads = tuple(self._scan(namespace, query))
            if isinstance(query.results, RangeDigest):
                unchanged = range_digest(reads, query.results.max_degree) == query.results
            else:
                unchanged = reads == query.results
            if not unchanged:
                reason = f"keys from {query.start!r} to {query.end!r} of {namespace} changed after their scan"
                return ReadConflict(phantom=True, reason=reason)
        return None

    def _scan(self, namespace: str, query: RangeQuery) -> Iterator[Read]:
        """Yield what the range query would see now, on top of this block's updates so far."""
        names = set(self.state.scan(namespace, query.start, query.end))
        for key in self.entries:
            name = str(key.key)
            if key[:2] == (namespace, "") and query.start <= name and (not query.end or name < query.end):
                names.add(name)
        if not query.exhausted:
            names.add(query.end)
        for name in sorted(names):
            key = StateKey(namespace, "", name)
            entry = self.entries.get(key) or self.state.get(key)
            if entry is not None and entry.value is not None:
                yield Read(name, entry.version)


def commit_hash(previous: bytes, validation_codes: bytes, updates: BlockUpdates) -> bytes:
    """Return the hash in which a peer chains what it has judged and written.

    Args:
        previous: the block before's; empty for the first block that has one.
        validation_codes: of all the block's transactions.
        updates: of the valid ones.
    """
    return sha256(_varint(len(validation_codes)) + validation_codes + updates.encoded() + previous).digest()


@dataclass(slots=True)
class _Operation:
    """What one transaction does to one key in the end."""

    deletes: bool = False
    value: bytes | None = None  # None: the value stays
    metadata: Mapping[str, bytes] | None = None  # None: the metadata stay


def _operations(results: ReadWriteSet) -> Mapping[StateKey, _Operation]:
    operations: dict[StateKey, _Operation] = {}
    for part in results.namespaces:
        for write in part.writes:
            _note(operations, StateKey(part.namespace, "", write.key), write)
        for metadata in part.metadata_writes:
            key = StateKey(part.namespace, "", metadata.key)
            operations.setdefault(key, _Operation()).metadata = metadata.entries
        for collection in part.collections:
            for hashed in collection.writes:
                _note(operations, StateKey(part.namespace, collection.name, hashed.key_hash), hashed)
            for hashed_metadata in collection.metadata_writes:
                key = StateKey(part.namespace, collection.name, hashed_metadata.key_hash)
                operations.setdefault(key, _Operation()).metadata = hashed_metadata.entries
    return operations


def _note(operations: dict[StateKey, _Operation], key: StateKey, write: Write | HashedWrite) -> None:
    operation = operations.setdefault(key, _Operation())
    operation.value = write[1]
    operation.deletes = operation.deletes or write[1] is None


def _height(version: Version | None) -> str:
    return "no version" if version is None else f"version {version.block}:{version.transaction}"


def _hashing_order(key: StateKey) -> tuple[str, str, bytes]:
    name = key.key.encode() if isinstance(key.key, str) else key.key
    return key.namespace, key.collection, name


_DELETED = b"\x20\x01"  # field 4, true


def _field(number: int, content: bytes) -> bytes:
    """Return a length-delimited protobuf field, nothing for empty content."""
    size = len(content)
    if size > 0x7F:
        return bytes((number << 3 | 2,)) + _varint(size) + content
    return bytes((number << 3 | 2, size)) + content if content else b""


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _order_preserving(number: int) -> bytes:
    """Return a count of bytes and that many, big-endian, as Fabric encodes heights."""
    size = (number.bit_length() + 7) // 8
    return bytes((size,)) + number.to_bytes(size, "big")
