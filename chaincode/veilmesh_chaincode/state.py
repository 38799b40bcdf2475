"""The ledger's state as typed records, read and written through the stub.

Three habits of the whole chaincode are kept here, so that no contract can forget one:
- a record is read before it is written, so the ledger's MVCC check covers every change, and of two
  transactions that build on the same state only one commits;
- a record's `updated_at_s` never decreases;
- lists are pages, bounded in entries and in bytes.

One `State` lives for one transaction. As in Fabric, it never shows the transaction's own writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, cast

from veilmesh_chaincode.keys import Index, Record, Table, last_attribute, prefix_range
from veilmesh_chaincode.records.base import Bookmark, ChangingRecord, Document, MspId, TxId
from veilmesh_chaincode.records.pages import MAX_PAGE_BYTES
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.stub import Stub

# Fabric takes a write of no bytes for a deletion, so an index entry holds one.
_PRESENT = b"\x00"

# Every call reads the consortium and a node or a policy, and they seldom change.
_REMEMBERED_RECORDS = 1024
_LONGEST_REMEMBERED = 4096  # bytes


@dataclass(frozen=True, slots=True)
class PastState(Generic[Record]):
    tx_id: TxId
    at_s: int
    record: Record


class State:
    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._read: dict[str, Document | None] = {}
        self._ahead: dict[str, bytes | None] = {}

    async def look_ahead(self, keys: Sequence[str]) -> None:
        """Read at once what is going to be looked for one by one."""
        self._ahead.update(zip(keys, await self._stub.get_states(keys), strict=True))

    async def find(self, table: Table[Record], *attributes: str) -> Record | None:
        key = table.key(*attributes)
        value = self._ahead[key] if key in self._ahead else await self._stub.get_state(key)
        record = None if value is None else _parse(table.record, value)
        self._read[key] = record
        return record

    async def get(self, table: Table[Record], *attributes: str) -> Record:
        """Return the record.

        Raises:
            Refusal: NOT_FOUND.
        """
        record = await self.find(table, *attributes)
        if record is None:
            raise Refusal(
                RefusalCode.NOT_FOUND, f"{table.kind} {' '.join(attributes)} is unknown".replace("  ", " ")
            )
        return record

    async def put(self, table: Table[Record], record: Record) -> None:
        """Create or replace a record that this transaction has looked for.

        Raises:
            Refusal: TIME_RUNS_BACKWARDS, the record was changed later than this transaction's time.
        """
        key = table.key(*table.attributes_of(record))
        self._check_time(key)
        await self._stub.put_state(key, record.to_bytes())

    async def delete(self, table: Table[Record], record: Record) -> None:
        key = table.key(*table.attributes_of(record))
        self._check_time(key)
        await self._stub.delete_state(key)

    async def add_to(self, index: Index, *attributes: str) -> None:
        await self._stub.put_state(index.key(*attributes), _PRESENT)

    async def require_endorsers(self, table: Table[Record], record: Record, msp_ids: Sequence[MspId]) -> None:
        """From the next transaction on, changes of this record need these organisations' peers."""
        await self._stub.set_endorsers(table.key(*table.attributes_of(record)), msp_ids)

    async def page(
        self, table: Table[Record], *, limit: int, bookmark: Bookmark
    ) -> tuple[list[Record], Bookmark]:
        """Return up to `limit` records in order of their one attribute, and where the next page begins."""
        entries, following = await self._range(table.key(), limit, bookmark)
        records: list[Record] = []
        size = 0
        for key, value in entries:
            if records and size + len(value) > MAX_PAGE_BYTES:
                return records, last_attribute(key)
            size += len(value)
            records.append(_parse(table.record, value))
        return records, following

    async def page_of(
        self, index: Index, attribute: str, table: Table[Record], *, limit: int, bookmark: Bookmark
    ) -> tuple[list[Record], Bookmark]:
        """Return up to `limit` records that an index lists, and where the next page begins."""
        entries, following = await self._range(index.key(attribute), limit, bookmark)
        await self.look_ahead([table.key(last_attribute(key)) for key, _ in entries])
        records: list[Record] = []
        size = 0
        for key, _ in entries:
            record = await self.get(table, last_attribute(key))
            size += len(record.to_bytes())
            if records and size > MAX_PAGE_BYTES:
                return records, last_attribute(key)
            records.append(record)
        return records, following

    async def history(
        self, table: Table[Record], *attributes: str, limit: int, bookmark: Bookmark
    ) -> tuple[list[PastState[Record]], Bookmark]:
        """Return up to `limit` committed states of a record, newest first, and where the next page begins.

        States are only ever added at the newest end, so a transaction id marks a place for good.

        Raises:
            Refusal: MALFORMED, the bookmark is no transaction of this record's history.
        """
        versions = await self._stub.get_history(table.key(*attributes))
        states = [
            PastState(version.tx_id, version.at_s, table.record.model_validate_json(version.value))
            for version in versions
            if version.value is not None
        ]
        start = 0
        if bookmark:
            starts = [place for place, state in enumerate(states) if state.tx_id == bookmark]
            if not starts:
                raise Refusal(RefusalCode.MALFORMED, "the bookmark is not of this history")
            start = starts[0]
        page, rest = states[start : start + limit], states[start + limit :]
        return page, rest[0].tx_id if rest else ""

    async def _range(
        self, prefix: str, limit: int, bookmark: Bookmark
    ) -> tuple[Sequence[tuple[str, bytes]], Bookmark]:
        start, end = prefix_range(prefix)
        page = await self._stub.get_range(
            start, end, limit=limit, bookmark=f"{prefix}{bookmark}\x00" if bookmark else ""
        )
        return page.entries, last_attribute(page.bookmark) if page.bookmark else ""

    def _check_time(self, key: str) -> None:
        if key not in self._read:
            raise LookupError(f"{key!r} is written without having been read")
        before = self._read[key]
        if isinstance(before, ChangingRecord) and before.updated_at_s > self._stub.timestamp_s:
            raise Refusal(
                RefusalCode.TIME_RUNS_BACKWARDS,
                f"the transaction's time is {before.updated_at_s - self._stub.timestamp_s} s before "
                "the last change of what it changes",
                retry_at_s=before.updated_at_s,
            )


def _parse(record: type[Record], value: bytes) -> Record:
    if len(value) > _LONGEST_REMEMBERED:
        return record.model_validate_json(value)
    return cast("Record", _parse_remembered(record, value))


@lru_cache(_REMEMBERED_RECORDS)
def _parse_remembered(record: type[Document], value: bytes) -> Document:
    """Return the record in `value`; equal bytes give one object, which nobody can change: it is frozen."""
    return record.model_validate_json(value)
