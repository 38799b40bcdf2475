"""A ledger in memory with Fabric's semantics, for tests of the contracts; other tests may import it, too.

`simulate` runs the chaincode against committed state and returns what an endorser would sign: the response,
the read set with versions, the write set, the event. Nothing is visible until `commit`, which checks what a
peer's validator checks and answers with its code: a transaction id seen before, a key's own endorsement
policy, a read that is no longer current. So two simulations of one state can be committed one after the
other, which is how the tests show that of two concurrent transactions only one holds.

Left to the real ledgers: signatures, the chaincode's endorsement policy, ordering, phantom reads (contracts
use ranges in queries only, and `simulate` fails a function that does otherwise).
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from veilmesh_chaincode.chaincode import Chaincode, Response
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.refusals import Refusal
from veilmesh_chaincode.stub import Creator, StatePage, StateVersion

Result = TypeVar("Result", bound=Document)

VALID = "VALID"
DUPLICATE_TXID = "DUPLICATE_TXID"
ENDORSEMENT_POLICY_FAILURE = "ENDORSEMENT_POLICY_FAILURE"
MVCC_READ_CONFLICT = "MVCC_READ_CONFLICT"


@dataclass(frozen=True, slots=True)
class _Committed:
    value: bytes
    version: int  # of the commit that wrote it


@dataclass(slots=True)
class MemoryStub:
    """One simulation. Implements `veilmesh_chaincode.stub.Stub`."""

    ledger: "MemoryLedger"
    tx_id: str
    creator: Creator
    timestamp_s: int
    channel: str = "veilmesh"
    reads: dict[str, int | None] = field(default_factory=dict)
    writes: dict[str, bytes | None] = field(default_factory=dict)
    endorsers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    events: list[tuple[str, bytes]] = field(default_factory=list)
    ranged: bool = False

    async def get_state(self, key: str) -> bytes | None:
        committed = self.ledger.state.get(key)
        self.reads[key] = None if committed is None else committed.version
        return None if committed is None else committed.value

    async def get_states(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return [await self.get_state(key) for key in keys]

    async def put_state(self, key: str, value: bytes) -> None:
        assert value, "Fabric takes an empty value for a deletion"
        self.writes[key] = value

    async def delete_state(self, key: str) -> None:
        self.writes[key] = None

    async def get_range(self, start: str, end: str, *, limit: int, bookmark: str = "") -> StatePage:
        self.ranged = True
        # Fabric orders keys by their UTF-8 bytes, and starts at the bookmark wherever that is.
        keys = sorted((key for key in self.ledger.state if (bookmark or start) <= key < end), key=str.encode)
        return StatePage(
            [(key, self.ledger.state[key].value) for key in keys[:limit]],
            keys[limit] if len(keys) > limit else "",
        )

    async def get_history(self, key: str) -> Sequence[StateVersion]:
        self.ranged = True
        return list(reversed(self.ledger.history.get(key, [])))

    async def set_endorsers(self, key: str, msp_ids: Sequence[str]) -> None:
        self.endorsers[key] = tuple(msp_ids)

    def set_event(self, name: str, payload: bytes) -> None:
        self.events.append((name, payload))


@dataclass(frozen=True, slots=True)
class Transaction:
    """A simulated proposal: what endorsers would have signed."""

    stub: MemoryStub
    response: Response

    @property
    def event(self) -> tuple[str, bytes] | None:
        """The one event; like Fabric, the last set."""
        return self.stub.events[-1] if self.stub.events else None


class MemoryLedger:
    def __init__(self) -> None:
        self.state: dict[str, _Committed] = {}
        self.history: dict[str, list[StateVersion]] = {}
        self.endorsers: dict[str, tuple[str, ...]] = {}
        self.tx_ids: set[str] = set()
        self._chaincode = Chaincode()
        self._proposals = 0

    def next_tx_id(self) -> str:
        self._proposals += 1
        return hashlib.sha256(str(self._proposals).encode()).hexdigest()

    async def simulate(
        self,
        creator: Creator,
        function: str,
        request: Document | bytes | None = None,
        *,
        now_s: int,
        tx_id: str | None = None,
    ) -> Transaction:
        stub = MemoryStub(self, tx_id or self.next_tx_id(), creator, now_s)
        args = [function.encode()]
        if request is not None:
            args.append(request if isinstance(request, bytes) else request.to_bytes())
        response = await self._chaincode.invoke(stub, args)
        assert not (stub.ranged and stub.writes), f"{function} writes and uses a range or a history"
        return Transaction(stub, response)

    def commit(self, transaction: Transaction, *, endorsed_by: Collection[str] | None = None) -> str:
        """Validate and apply one transaction; return its validation code.

        `endorsed_by` names the organisations whose peers signed; None stands for all there are.
        """
        stub = transaction.stub
        assert transaction.response.status < 400, "a refused proposal has no endorsement"
        if stub.tx_id in self.tx_ids:
            return DUPLICATE_TXID
        self.tx_ids.add(stub.tx_id)
        for key in {*stub.writes, *stub.endorsers}:
            if endorsed_by is not None and not set(self.endorsers.get(key, ())) <= set(endorsed_by):
                return ENDORSEMENT_POLICY_FAILURE
        for key, version in stub.reads.items():
            committed = self.state.get(key)
            if (None if committed is None else committed.version) != version:
                return MVCC_READ_CONFLICT
        for key, value in stub.writes.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = _Committed(value, len(self.tx_ids))
            self.history.setdefault(key, []).append(StateVersion(stub.tx_id, stub.timestamp_s, value))
        self.endorsers.update(stub.endorsers)
        return VALID

    async def invoke(
        self,
        creator: Creator,
        function: str,
        request: Document | None,
        result: type[Result],
        *,
        now_s: int,
    ) -> Result:
        """Simulate and commit one transaction, or evaluate a query.

        Raises:
            Refusal: what the chaincode answered.
        """
        transaction = await self.simulate(creator, function, request, now_s=now_s)
        if transaction.response.status >= 400:
            refusal = Refusal.from_message(transaction.response.message)
            assert refusal is not None, transaction.response.message
            raise refusal
        if transaction.stub.writes:
            assert self.commit(transaction) == VALID
        return result.from_bytes(transaction.response.payload)
