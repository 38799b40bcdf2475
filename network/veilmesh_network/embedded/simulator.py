"""Running a contract against a snapshot, and the read-write set that comes of it.

Fabric's rules (`core/ledger/kvledger/txmgmt/txmgr/tx_simulator.go`): a read returns committed state, never
what the same transaction wrote; the first value of a key read is recorded with its version; what may be
written is for `PendingWrites`. The set's bytes follow from the calls alone, so that every endorser signs the
same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2
from veilmesh_chaincode.pending_writes import PendingWrites
from veilmesh_chaincode.stub import Creator, StatePage, StateVersion
from veilmesh_fabric.range_digest import range_digest
from veilmesh_fabric.rwset import VALIDATION_PARAMETER, Read, Version
from veilmesh_fabric.world_state import StateKey

from veilmesh_network.embedded.store import Snapshot

_MAX_READS_IN_THE_CLEAR = 50  # `maxDegreeQueryReadsHashing`: of a longer range only a digest is recorded


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a contract may know of the proposal it answers."""

    tx_id: str
    channel: str
    chaincode: str
    creator: Creator
    timestamp_s: int


class Simulation:
    """The `Stub` of one proposal."""

    def __init__(self, invocation: Invocation, snapshot: Snapshot) -> None:
        self._invocation = invocation
        self._snapshot = snapshot
        self._reads: dict[str, Version | None] = {}
        self._pending = PendingWrites()
        self._ranges: list[Any] = []  # kvrwset.RangeQueryInfo
        self._event: tuple[str, bytes] | None = None

    @property
    def tx_id(self) -> str:
        return self._invocation.tx_id

    @property
    def channel(self) -> str:
        return self._invocation.channel

    @property
    def creator(self) -> Creator:
        return self._invocation.creator

    @property
    def timestamp_s(self) -> int:
        return self._invocation.timestamp_s

    async def get_state(self, key: str) -> bytes | None:
        entry = self._snapshot.get(StateKey(self._invocation.chaincode, "", key))
        self._reads.setdefault(key, None if entry is None else entry.version)
        return None if entry is None else entry.value

    async def get_states(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [await self.get_state(key) for key in keys]

    async def put_state(self, key: str, value: bytes) -> None:
        self._pending.put(key, value)

    async def delete_state(self, key: str) -> None:
        self._pending.delete(key)

    async def get_range(self, start: str, end: str, *, limit: int, bookmark: str = "") -> StatePage:
        self._pending.begin_page(limit)
        first = bookmark or start
        found = list(self._snapshot.page(self._invocation.chaincode, first, end, limit=limit + 1))
        page, rest = found[:limit], found[limit:]
        reads = [Read(key, version) for key, _, version in page]
        self._ranges.append(_range(first, page[-1][0] if rest else end, reads, exhausted=not rest))
        return StatePage([(key, value) for key, value, _ in page], rest[0][0] if rest else "")

    async def get_history(self, key: str) -> Sequence[StateVersion]:
        entries = self._snapshot.history(self._invocation.chaincode, key)
        return [StateVersion(entry.tx_id, entry.at_s, entry.value) for entry in entries]

    async def set_endorsers(self, key: str, msp_ids: Sequence[str]) -> None:
        self._pending.endorse(key, msp_ids)

    def set_event(self, name: str, payload: bytes) -> None:
        self._event = (name, payload)

    def read_write_set(self, others: Mapping[str, Sequence[Read]]) -> bytes:
        """Return the serialised `TxReadWriteSet`.

        Args:
            others: reads that the peer itself did in other namespaces, by namespace.
        """
        sets = {
            name: kv_rwset_pb2.KVRWSet(reads=[_read(*read) for read in reads])
            for name, reads in others.items()
        }
        sets[self._invocation.chaincode] = kv_rwset_pb2.KVRWSet(
            reads=[_read(*read) for read in sorted(self._reads.items())],
            range_queries_info=self._ranges,
            writes=[_write(*write) for write in sorted(self._pending.values.items())],
            metadata_writes=[_endorsement_write(*write) for write in sorted(self._pending.endorsers.items())],
        )
        results = rwset_pb2.TxReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
        for name, reads_and_writes in sorted(sets.items()):
            results.ns_rwset.add(namespace=name, rwset=reads_and_writes.SerializeToString())
        return bytes(results.SerializeToString())

    def event_bytes(self) -> bytes:
        """Return the serialised `ChaincodeEvent`; empty when the contract emitted none."""
        if self._event is None:
            return b""
        name, payload = self._event
        event = chaincode_event_pb2.ChaincodeEvent(
            chaincode_id=self._invocation.chaincode, tx_id=self.tx_id, event_name=name, payload=payload
        )
        return bytes(event.SerializeToString())


def _read(key: str, version: Version | None) -> Any:
    read = kv_rwset_pb2.KVRead(key=key)
    if version is not None:
        # Set even where both numbers are zero: its absence means that the key did not exist.
        read.version.SetInParent()
        read.version.block_num, read.version.tx_num = version
    return read


def _range(start: str, end: str, reads: Sequence[Read], *, exhausted: bool) -> Any:
    query = kv_rwset_pb2.RangeQueryInfo(start_key=start, end_key=end, itr_exhausted=exhausted)
    digest = range_digest(reads, _MAX_READS_IN_THE_CLEAR)
    if digest is None:
        query.raw_reads.kv_reads.extend(_read(*read) for read in reads)
    else:
        query.reads_merkle_hashes.max_degree = digest.max_degree
        query.reads_merkle_hashes.max_level = digest.level
        query.reads_merkle_hashes.max_level_hashes.extend(digest.hashes)
    return query


def _write(key: str, value: bytes | None) -> Any:
    return kv_rwset_pb2.KVWrite(key=key, is_delete=value is None, value=value or b"")


def _endorsement_write(key: str, policy: bytes) -> Any:
    write = kv_rwset_pb2.KVMetadataWrite(key=key)
    write.entries.add(name=VALIDATION_PARAMETER, value=policy)
    return write
