"""A peer's end of the chaincode stream, in memory, with the habits of Fabric's `core/chaincode/handler.go`.

It registers the chaincode, sends transactions, answers what they ask, and drops a second request of a
transaction that has one open. It checks nothing that a ledger checks: no versions, no policies.

It is a `Wire` itself, for tests without a socket; over gRPC, `read` and `take` are the two directions.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message
from google.protobuf.timestamp_pb2 import Timestamp

from tests.unit.chaincode.shim.fake_ledger import MAX_BATCH, FakeLedger, TransactionView

# `ChaincodeAdditionalParams` of a 3.1 peer: batches of writes, several keys at once. An older READY is empty.
READY_3_1 = bytes([1 << 3, 1, 2 << 3, MAX_BATCH, 3 << 3, 1, 4 << 3, MAX_BATCH])
READY_2_5 = b""


class StreamTerminatedError(Exception):
    """The chaincode's stream ended before the transaction was answered."""


class TransactionFailedError(Exception):
    """The chaincode answered with ERROR."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    message: str
    payload: bytes
    event: tuple[str, bytes] | None
    view: TransactionView

    @property
    def writes(self) -> Mapping[str, bytes | None]:
        return self.view.writes


@dataclass(frozen=True, slots=True)
class _Transaction:
    view: TransactionView
    completed: asyncio.Future[Any]


class FakePeer:
    def __init__(self, ledger: FakeLedger | None = None, *, ready: bytes = READY_3_1) -> None:
        self.ledger = ledger or FakeLedger()
        self.package_id = ""  # that the chaincode registered
        self.requests: list[str] = []  # the kinds of all that was asked
        self.dropped = 0  # requests of a transaction that had one open
        self.kept_alive = 0  # KEEPALIVEs that came back
        self.asked = asyncio.Event()  # at least once
        self.answering = asyncio.Event()  # while it is not set, requests wait
        self.answering.set()
        self._ready = ready
        self._registered = asyncio.Event()
        self._outgoing: asyncio.Queue[Any] = asyncio.Queue()
        self._transactions: dict[tuple[str, str], _Transaction] = {}
        self._asking: set[tuple[str, str]] = set()
        self._at_work: set[asyncio.Task[None]] = set()

    async def read(self) -> Any | None:
        return await self._outgoing.get()

    async def write(self, message: Any) -> None:
        self.take(Message.FromString(message.SerializeToString()))

    def send(self, message: Any) -> None:
        self._outgoing.put_nowait(message)

    def hang_up(self) -> None:
        """End the stream as the chaincode reads it."""
        self._outgoing.put_nowait(None)

    def terminated(self) -> None:
        """The stream has ended: transactions without an answer will have none."""
        for transaction in self._transactions.values():
            if not transaction.completed.done():
                transaction.completed.set_exception(StreamTerminatedError())

    async def execute(
        self,
        *args: bytes,
        creator: bytes = b"",
        at_s: float | None = None,
        transient: Mapping[str, bytes] | None = None,
        tx_id: str | None = None,
        channel: str = "veilmesh",
        kind: int = Message.TRANSACTION,
    ) -> Answer:
        """Have the chaincode run one transaction.

        Raises:
            TransactionFailedError, StreamTerminatedError.
        """
        tx_id = tx_id or sha256(os.urandom(8)).hexdigest()
        at_s = datetime.now(UTC).timestamp() if at_s is None else at_s
        view = TransactionView(self.ledger)
        transaction = _Transaction(view, asyncio.get_running_loop().create_future())
        self._transactions[channel, tx_id] = transaction
        await self._registered.wait()
        self.send(
            Message(
                type=kind,
                txid=tx_id,
                channel_id=channel,
                payload=chaincode_pb2.ChaincodeInput(args=args).SerializeToString(),
                proposal=_signed_proposal(tx_id, channel, creator, at_s, transient or {}),
            )
        )
        try:
            completed = await transaction.completed
        finally:
            del self._transactions[channel, tx_id]
        if completed.type == Message.ERROR:
            raise TransactionFailedError(completed.payload.decode())
        response = proposal_response_pb2.Response.FromString(completed.payload)
        event = None
        if completed.HasField("chaincode_event"):
            event = completed.chaincode_event.event_name, completed.chaincode_event.payload
        return Answer(response.status, response.message, response.payload, event, view)

    def take(self, message: Any) -> None:
        """Take one message from the chaincode."""
        key = message.channel_id, message.txid
        if message.type == Message.REGISTER:
            self.package_id = chaincode_pb2.ChaincodeID.FromString(message.payload).name
            self.send(Message(type=Message.REGISTERED))
            self.send(Message(type=Message.READY, payload=self._ready))
            self._registered.set()
        elif message.type in {Message.COMPLETED, Message.ERROR}:
            transaction = self._transactions.get(key)
            if transaction is not None and not transaction.completed.done():
                transaction.completed.set_result(message)
        elif message.type == Message.KEEPALIVE:
            self.kept_alive += 1
        elif key in self._asking:
            self.dropped += 1
        else:
            self.requests.append(Message.Type.Name(message.type))
            self.asked.set()
            self._asking.add(key)
            task = asyncio.create_task(self._answer(key, message))
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)

    async def _answer(self, key: tuple[str, str], message: Any) -> None:
        await self.answering.wait()
        transaction = self._transactions.get(key)
        kind = Message.RESPONSE
        if transaction is None:
            kind, payload = Message.ERROR, b"no ledger context"
        else:
            try:
                payload = transaction.view.handle(message.type, message.payload)
            except LookupError as err:
                kind, payload = Message.ERROR, str(err).encode()
        self._asking.discard(key)
        self.send(Message(type=kind, payload=payload, txid=key[1], channel_id=key[0]))


def _signed_proposal(
    tx_id: str, channel: str, creator: bytes, at_s: float, transient: Mapping[str, bytes]
) -> Any:
    timestamp = Timestamp()
    timestamp.FromNanoseconds(int(at_s * 1e9))
    header = common_pb2.Header(
        channel_header=common_pb2.ChannelHeader(
            channel_id=channel, tx_id=tx_id, timestamp=timestamp
        ).SerializeToString(),
        signature_header=common_pb2.SignatureHeader(creator=creator).SerializeToString(),
    )
    proposal = proposal_pb2.Proposal(
        header=header.SerializeToString(),
        payload=proposal_pb2.ChaincodeProposalPayload(TransientMap=transient).SerializeToString(),
    )
    return proposal_pb2.SignedProposal(proposal_bytes=proposal.SerializeToString())
