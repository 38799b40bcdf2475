"""What one transaction may ask of its peer's ledger: reads, ranges and history page by page, writes."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, TypeVar

from fabric_protos.ledger.queryresult.kv_query_result_pb2 import KV, KeyModification
from fabric_protos.peer.chaincode_shim_pb2 import (
    ChaincodeMessage,
    DelState,
    GetHistoryForKey,
    GetState,
    GetStateByRange,
    GetStateMultiple,
    GetStateMultipleResult,
    PutState,
    PutStateMetadata,
    QueryMetadata,
    QueryResponse,
    QueryResponseMetadata,
    QueryStateClose,
    QueryStateNext,
    StateMetadata,
    WriteBatchState,
    WriteRecord,
)

from veilmesh_chaincode.key_endorsement import VALIDATION_PARAMETER
from veilmesh_chaincode.shim.capabilities import Capabilities
from veilmesh_chaincode.shim.exchange import Exchange
from veilmesh_chaincode.stub import StatePage, StateVersion

Item = TypeVar("Item")


class PeerLedger:
    """One transaction's view of its peer's ledger: committed state, and what the transaction writes."""

    def __init__(self, exchange: Exchange, capabilities: Capabilities) -> None:
        self._ask = exchange.ask
        self._capabilities = capabilities

    async def state(self, key: str) -> bytes | None:
        value = await self._ask(ChaincodeMessage.GET_STATE, GetState(key=key).SerializeToString())
        return value or None  # Fabric knows no empty value

    async def states(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the value of each key, in as few requests as the peer allows."""
        if self._capabilities.keys_per_message == 1:
            return [await self.state(key) for key in keys]
        values: list[bytes | None] = []
        for some in _chunks(keys, self._capabilities.keys_per_message):
            request = GetStateMultiple(keys=some).SerializeToString()
            answer = await self._ask(ChaincodeMessage.GET_STATE_MULTIPLE, request)
            values.extend(value or None for value in GetStateMultipleResult.FromString(answer).values)
        return values

    async def private_data_hash(self, collection: str, key: str) -> bytes | None:
        request = GetState(collection=collection, key=key).SerializeToString()
        return await self._ask(ChaincodeMessage.GET_PRIVATE_DATA_HASH, request) or None

    async def page(self, start: str, end: str, *, limit: int, bookmark: str) -> StatePage:
        metadata = QueryMetadata(pageSize=limit, bookmark=bookmark).SerializeToString()
        request = GetStateByRange(startKey=start, endKey=end, metadata=metadata).SerializeToString()
        answer = QueryResponse.FromString(await self._ask(ChaincodeMessage.GET_STATE_BY_RANGE, request))
        following = QueryResponseMetadata.FromString(answer.metadata).bookmark
        return StatePage([_entry(result.resultBytes) for result in answer.results], following)

    @asynccontextmanager
    async def range(self, start: str, end: str) -> AsyncIterator[AsyncIterator[tuple[str, bytes]]]:
        """Iterate over the keys in [start, end) and their values while the context is open."""
        request = GetStateByRange(startKey=start, endKey=end).SerializeToString()
        results = _Results(self._ask, await self._ask(ChaincodeMessage.GET_STATE_BY_RANGE, request))
        yield (_entry(result) async for result in results)
        await results.close()

    async def history(self, key: str) -> list[StateVersion]:
        request = GetHistoryForKey(key=key).SerializeToString()
        results = _Results(self._ask, await self._ask(ChaincodeMessage.GET_HISTORY_FOR_KEY, request))
        return [_version(result) async for result in results]

    async def write(self, records: Iterable[Any]) -> None:
        """Have the peer note `records`, `WriteRecord`s made by the functions below."""
        if self._capabilities.writes_per_message == 1:
            for record in records:
                await self._ask(*_single_write(record))
            return
        for some in _chunks(records, self._capabilities.writes_per_message):
            await self._ask(ChaincodeMessage.WRITE_BATCH_STATE, WriteBatchState(rec=some).SerializeToString())


def put(key: str, value: bytes) -> Any:
    return WriteRecord(type=WriteRecord.PUT_STATE, key=key, value=value)


def delete(key: str) -> Any:
    return WriteRecord(type=WriteRecord.DEL_STATE, key=key)


def endorsed_by(key: str, policy: bytes) -> Any:
    """Return the write that gives a key its own endorsement policy, a `SignaturePolicyEnvelope`."""
    metadata = StateMetadata(metakey=VALIDATION_PARAMETER, value=policy)
    return WriteRecord(type=WriteRecord.PUT_STATE_METADATA, key=key, metadata=metadata)


def _single_write(record: Any) -> tuple[int, bytes]:
    match record.type:
        case WriteRecord.PUT_STATE:
            request = PutState(key=record.key, value=record.value)
            return ChaincodeMessage.PUT_STATE, request.SerializeToString()
        case WriteRecord.DEL_STATE:
            return ChaincodeMessage.DEL_STATE, DelState(key=record.key).SerializeToString()
        case WriteRecord.PUT_STATE_METADATA:
            request = PutStateMetadata(key=record.key, metadata=record.metadata)
            return ChaincodeMessage.PUT_STATE_METADATA, request.SerializeToString()
        case _:
            raise ValueError(f"no single write stands for a record of type {record.type}")


class _Results:
    """A query's results, fetched as they are read."""

    def __init__(self, ask: Any, answer: bytes) -> None:
        self._ask = ask
        self._answer = QueryResponse.FromString(answer)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            for result in self._answer.results:
                yield result.resultBytes
            if not self._answer.has_more:
                return
            request = QueryStateNext(id=self._answer.id).SerializeToString()
            self._answer = QueryResponse.FromString(
                await self._ask(ChaincodeMessage.QUERY_STATE_NEXT, request)
            )

    async def close(self) -> None:
        """Let the peer forget the query. After an error it does so by itself, with the transaction."""
        if self._answer.has_more:
            await self._ask(
                ChaincodeMessage.QUERY_STATE_CLOSE, QueryStateClose(id=self._answer.id).SerializeToString()
            )


def _entry(result: bytes) -> tuple[str, bytes]:
    entry = KV.FromString(result)
    return entry.key, entry.value


def _version(result: bytes) -> StateVersion:
    change = KeyModification.FromString(result)
    return StateVersion(change.tx_id, change.timestamp.seconds, None if change.is_delete else change.value)


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
