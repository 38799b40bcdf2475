"""The ledger behind the fake peer: state, history, and one transaction's view of both."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fabric_protos.ledger.queryresult.kv_query_result_pb2 import KV, KeyModification
from fabric_protos.peer import chaincode_shim_pb2 as shim
from google.protobuf.timestamp_pb2 import Timestamp

Message = shim.ChaincodeMessage

MAX_BATCH = 3  # what the fake peer says it takes at once, writes and keys


class FakeLedger:
    """What is committed."""

    def __init__(self) -> None:
        self.state: dict[str, bytes] = {}
        self.history: dict[str, list[tuple[str, int, bytes | None]]] = {}  # oldest first
        self.private_hashes: dict[tuple[str, str], bytes] = {}
        self.broken: set[str] = set()  # keys that cannot be read
        self.results_per_message = 2


class TransactionView:
    """What one transaction reads, and what it has written."""

    def __init__(self, ledger: FakeLedger) -> None:
        self._ledger = ledger
        self._queries: dict[str, list[list[bytes]]] = {}  # parts that are still to be sent
        self.closed: list[str] = []  # queries that the chaincode closed before their end
        self.writes: dict[str, bytes | None] = {}
        self.policies: dict[str, bytes] = {}
        self._handlers: Mapping[int, Callable[[bytes], Any]] = {
            Message.GET_STATE: self._get,
            Message.GET_STATE_MULTIPLE: self._get_multiple,
            Message.GET_PRIVATE_DATA_HASH: self._get_private_hash,
            Message.GET_STATE_BY_RANGE: self._range,
            Message.GET_HISTORY_FOR_KEY: self._history,
            Message.QUERY_STATE_NEXT: self._next,
            Message.QUERY_STATE_CLOSE: self._close,
            Message.PUT_STATE: self._put,
            Message.DEL_STATE: self._delete,
            Message.PUT_STATE_METADATA: self._put_metadata,
            Message.WRITE_BATCH_STATE: self._write_batch,
        }

    def handle(self, kind: int, payload: bytes) -> bytes:
        """Return the payload of the RESPONSE.

        Raises:
            LookupError: the answer is ERROR.
        """
        answer = self._handlers[kind](payload)
        if answer is None:
            return b""
        return answer if isinstance(answer, bytes) else bytes(answer.SerializeToString())

    def _read(self, key: str) -> bytes:
        if key in self._ledger.broken:
            raise LookupError(f"leveldb at /var/hyperledger is broken at {key}")
        return self._ledger.state.get(key, b"")

    def _get(self, payload: bytes) -> bytes:
        return self._read(shim.GetState.FromString(payload).key)

    def _get_multiple(self, payload: bytes) -> Any:
        keys = shim.GetStateMultiple.FromString(payload).keys
        assert 1 <= len(keys) <= MAX_BATCH
        return shim.GetStateMultipleResult(values=[self._read(key) for key in keys])

    def _get_private_hash(self, payload: bytes) -> bytes:
        request = shim.GetState.FromString(payload)
        return self._ledger.private_hashes.get((request.collection, request.key), b"")

    def _range(self, payload: bytes) -> Any:
        request = shim.GetStateByRange.FromString(payload)
        metadata = shim.QueryMetadata.FromString(request.metadata)
        first = metadata.bookmark or request.startKey
        state = self._ledger.state
        keys = sorted((key for key in state if first <= key < request.endKey), key=str.encode)
        entries = [KV(key=key, value=state[key]).SerializeToString() for key in keys]
        if not metadata.pageSize:
            return self._begin(entries)
        following = keys[metadata.pageSize] if len(keys) > metadata.pageSize else ""
        page = entries[: metadata.pageSize]
        about = shim.QueryResponseMetadata(fetched_records_count=len(page), bookmark=following)
        return _part("", page, has_more=False, metadata=about.SerializeToString())

    def _history(self, payload: bytes) -> Any:
        versions = self._ledger.history.get(shim.GetHistoryForKey.FromString(payload).key, [])
        return self._begin(
            [
                KeyModification(
                    tx_id=tx_id,
                    timestamp=Timestamp(seconds=at_s),
                    value=value or b"",
                    is_delete=value is None,
                ).SerializeToString()
                for tx_id, at_s, value in reversed(versions)
            ]
        )

    def _begin(self, results: Sequence[bytes]) -> Any:
        size = self._ledger.results_per_message
        query_id = f"query-{len(self._queries)}"
        self._queries[query_id] = [list(results[n : n + size]) for n in range(0, len(results), size)] or [[]]
        return self._more(query_id)

    def _next(self, payload: bytes) -> Any:
        return self._more(shim.QueryStateNext.FromString(payload).id)

    def _more(self, query_id: str) -> Any:
        if not self._queries.get(query_id):
            raise LookupError("query iterator not found")
        part = self._queries[query_id].pop(0)
        return _part(query_id, part, has_more=bool(self._queries[query_id]))

    def _close(self, payload: bytes) -> None:
        query_id = shim.QueryStateClose.FromString(payload).id
        self._queries[query_id].clear()
        self.closed.append(query_id)

    def _put(self, payload: bytes) -> None:
        put = shim.PutState.FromString(payload)
        self.writes[put.key] = put.value

    def _delete(self, payload: bytes) -> None:
        self.writes[shim.DelState.FromString(payload).key] = None

    def _put_metadata(self, payload: bytes) -> None:
        self._set_policy(shim.PutStateMetadata.FromString(payload))

    def _write_batch(self, payload: bytes) -> None:
        records = shim.WriteBatchState.FromString(payload).rec
        assert 1 <= len(records) <= MAX_BATCH
        for record in records:
            if record.type == shim.WriteRecord.PUT_STATE_METADATA:
                self._set_policy(record)
            else:
                self.writes[record.key] = record.value if record.type == shim.WriteRecord.PUT_STATE else None

    def _set_policy(self, entry: Any) -> None:
        assert entry.metadata.metakey == "VALIDATION_PARAMETER"
        self.policies[entry.key] = entry.metadata.value


def _part(query_id: str, results: Sequence[bytes], *, has_more: bool, metadata: bytes = b"") -> Any:
    return shim.QueryResponse(
        results=[shim.QueryResultBytes(resultBytes=result) for result in results],
        has_more=has_more,
        id=query_id,
        metadata=metadata,
    )
