"""Read-write sets: what a transaction read, at which versions, and what it wants to write.

Versions are the heights (block, transaction) at which a key was last written; a key that did not exist when
it was read has none. Of private collections a block holds the hashes of keys and values alone.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from veilmesh_fabric.range_digest import RangeDigest, Read, Version
from veilmesh_fabric.wire import decode

__all__ = [
    "VALIDATION_PARAMETER",
    "CollectionHashes",
    "HashedMetadataWrite",
    "HashedRead",
    "HashedWrite",
    "MetadataWrite",
    "NamespaceReadWriteSet",
    "RangeQuery",
    "Read",
    "ReadWriteSet",
    "Version",
    "Write",
]

_SHORT = 100  # bytes; what is so short comes again and again, as the definition that each endorser looks up

VALIDATION_PARAMETER = "VALIDATION_PARAMETER"  # metadata entry that holds a key's own endorsement policy


class Write(NamedTuple):
    key: str
    value: bytes | None  # None: the key is deleted; Fabric treats an empty value as a deletion


class MetadataWrite(NamedTuple):
    """Replaces all metadata of a key."""

    key: str
    entries: Mapping[str, bytes]  # empty: the metadata is removed


class RangeQuery(NamedTuple):
    """What a range scan saw, so that a key that appears in or vanishes from it is noticed (a phantom)."""

    start: str
    end: str  # exclusive if `exhausted`, "" being no end; otherwise the last key seen, inclusive
    exhausted: bool
    results: tuple[Read, ...] | RangeDigest


class HashedRead(NamedTuple):
    key_hash: bytes
    version: Version | None


class HashedWrite(NamedTuple):
    key_hash: bytes
    value_hash: bytes | None  # None: the key is deleted


class HashedMetadataWrite(NamedTuple):
    key_hash: bytes
    entries: Mapping[str, bytes]


_PublicPart: TypeAlias = tuple[
    tuple[Read, ...], tuple[RangeQuery, ...], tuple[Write, ...], tuple[MetadataWrite, ...]
]
"""Reads, range queries, writes and metadata writes of a chaincode's public state."""


class CollectionHashes(NamedTuple):
    """One private data collection, as far as everyone may see it."""

    name: str
    reads: tuple[HashedRead, ...]
    writes: tuple[HashedWrite, ...]
    metadata_writes: tuple[HashedMetadataWrite, ...]


class NamespaceReadWriteSet(NamedTuple):
    """One chaincode's part."""

    namespace: str
    reads: tuple[Read, ...]
    range_queries: tuple[RangeQuery, ...]
    writes: tuple[Write, ...]
    metadata_writes: tuple[MetadataWrite, ...]
    collections: tuple[CollectionHashes, ...]

    @property
    def writes_anything(self) -> bool:
        return bool(
            self.writes
            or self.metadata_writes
            or any(collection.writes or collection.metadata_writes for collection in self.collections)
        )


class ReadWriteSet(NamedTuple):
    namespaces: tuple[NamespaceReadWriteSet, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> "ReadWriteSet":
        """Read a `TxReadWriteSet` message with all that it contains.

        Raises:
            DecodeError: it or a part of it is malformed.
        """
        message = decode(rwset_pb2.TxReadWriteSet, data, "read-write set")
        return cls(tuple([_namespace(part) for part in message.ns_rwset[:]]))


def _namespace(part: Any) -> NamespaceReadWriteSet:
    namespace, data = part.namespace, part.rwset
    read = _remembered_public_part if len(data) <= _SHORT else _public_part
    collections = tuple([_collection(collection) for collection in part.collection_hashed_rwset[:]])
    return NamespaceReadWriteSet(namespace, *read(namespace, data), collections)


def _public_part(namespace: str, data: bytes) -> _PublicPart:
    message = decode(kv_rwset_pb2.KVRWSet, data, f"read-write set of {namespace}")
    return (
        tuple([Read(read.key, _version(read)) for read in message.reads[:]]),
        tuple([_range_query(query) for query in message.range_queries_info[:]]),
        tuple([_write(write) for write in message.writes[:]]),
        tuple([MetadataWrite(write.key, _entries(write.entries)) for write in message.metadata_writes[:]]),
    )


_remembered_public_part = lru_cache(256)(_public_part)


def _collection(part: Any) -> CollectionHashes:
    message = decode(
        kv_rwset_pb2.HashedRWSet, part.hashed_rwset, f"hashes of collection {part.collection_name}"
    )
    return CollectionHashes(
        name=part.collection_name,
        reads=tuple(HashedRead(read.key_hash, _version(read)) for read in message.hashed_reads),
        writes=tuple(_hashed_write(write) for write in message.hashed_writes),
        metadata_writes=tuple(
            HashedMetadataWrite(write.key_hash, _entries(write.entries)) for write in message.metadata_writes
        ),
    )


def _version(read: Any) -> Version | None:
    if not read.HasField("version"):
        return None
    version = read.version
    return Version(version.block_num, version.tx_num)


def _write(write: Any) -> Write:
    return Write(write.key, None if write.is_delete else write.value or None)


_HASH_OF_EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def _hashed_write(write: Any) -> HashedWrite:
    deleted = write.is_delete or write.value_hash in {b"", _HASH_OF_EMPTY}
    return HashedWrite(write.key_hash, None if deleted else write.value_hash)


def _entries(entries: Any) -> Mapping[str, bytes]:
    return {entry.name: entry.value for entry in entries}


def _range_query(query: Any) -> RangeQuery:
    results: tuple[Read, ...] | RangeDigest
    if query.HasField("reads_merkle_hashes"):
        digest = query.reads_merkle_hashes
        results = RangeDigest(digest.max_degree, digest.max_level, tuple(digest.max_level_hashes))
    else:
        results = tuple(Read(read.key, _version(read)) for read in query.raw_reads.kv_reads)
    return RangeQuery(query.start_key, query.end_key, query.itr_exhausted, results)
