"""The `Stub` of one transaction on a peer, and what Fabric offers beyond it.

Reads go to the peer, which answers with committed state. Writes are kept until the contract has returned and
go out together: a refused transaction sends none, and a peer that takes batches gets one.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from veilmesh_chaincode.creator import creator_of
from veilmesh_chaincode.pending_writes import PendingWrites
from veilmesh_chaincode.shim import ledger
from veilmesh_chaincode.shim.ledger import PeerLedger
from veilmesh_chaincode.shim.proposal import OpenedProposal
from veilmesh_chaincode.stub import Creator, StatePage, StateVersion


class TransactionStub:
    def __init__(self, proposal: OpenedProposal, peer: PeerLedger) -> None:
        self._proposal = proposal
        self._peer = peer
        self._creator = creator_of(proposal.creator)
        self._pending = PendingWrites()
        self.event: tuple[str, bytes] | None = None

    @property
    def tx_id(self) -> str:
        return self._proposal.tx_id

    @property
    def channel(self) -> str:
        return self._proposal.channel

    @property
    def creator(self) -> Creator:
        return self._creator

    @property
    def timestamp_s(self) -> int:
        return int(self._proposal.at_s)

    @property
    def transient(self) -> Mapping[str, bytes]:
        """What the client handed to this endorser alone: it is in no transaction and no block."""
        return self._proposal.transient

    async def get_state(self, key: str) -> bytes | None:
        return await self._peer.state(key)

    async def get_states(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return await self._peer.states(keys)

    async def get_private_data_hash(self, collection: str, key: str) -> bytes | None:
        """Return the SHA-256 of a private value, which every peer has; None where there is no value."""
        return await self._peer.private_data_hash(collection, key)

    async def put_state(self, key: str, value: bytes) -> None:
        self._pending.put(key, value)

    async def delete_state(self, key: str) -> None:
        self._pending.delete(key)

    async def get_range(self, start: str, end: str, *, limit: int, bookmark: str = "") -> StatePage:
        self._pending.begin_page(limit)
        return await self._peer.page(start, end, limit=limit, bookmark=bookmark)

    def iterate_range(
        self, start: str, end: str
    ) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, bytes]]]:
        """Iterate over the keys in [start, end) and their values while the context is open.

        For transactions that write, too: a key that another one adds meanwhile is a PHANTOM_READ_CONFLICT.
        """
        return self._peer.range(start, end)

    async def get_history(self, key: str) -> Sequence[StateVersion]:
        return await self._peer.history(key)

    async def set_endorsers(self, key: str, msp_ids: Sequence[str]) -> None:
        self._pending.endorse(key, msp_ids)

    def set_event(self, name: str, payload: bytes) -> None:
        self.event = (name, payload)

    async def send_writes(self) -> None:
        """Hand the peer all that the contract has written."""
        if self._pending:
            await self._peer.write(
                [
                    *(
                        ledger.delete(key) if value is None else ledger.put(key, value)
                        for key, value in self._pending.values.items()
                    ),
                    *(ledger.endorsed_by(key, policy) for key, policy in self._pending.endorsers.items()),
                ]
            )
