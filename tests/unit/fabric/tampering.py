"""Blocks and transactions opened, changed and closed again, every layer serialized anew."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2
from veilmesh_fabric.block import data_hash, header_hash
from veilmesh_fabric.identity import SigningIdentity

from tests.unit.fabric.forge import header_of, serialized


class OpenTransaction:
    """The nest of messages in an `Envelope`, each to be changed at will."""

    def __init__(self, envelope: Any) -> None:
        self.envelope = envelope
        self.payload = common_pb2.Payload.FromString(envelope.payload)
        self.channel_header = common_pb2.ChannelHeader.FromString(self.payload.header.channel_header)
        self.signature_header = common_pb2.SignatureHeader.FromString(self.payload.header.signature_header)
        self.transaction = transaction_pb2.Transaction.FromString(self.payload.data)
        action = self.transaction.actions[0]
        self.action_header = common_pb2.SignatureHeader.FromString(action.header)
        self.action_payload = transaction_pb2.ChaincodeActionPayload.FromString(action.payload)
        self.response = proposal_response_pb2.ProposalResponsePayload.FromString(
            self.action_payload.action.proposal_response_payload
        )
        self.action = proposal_pb2.ChaincodeAction.FromString(self.response.extension)
        self.results = rwset_pb2.TxReadWriteSet.FromString(self.action.results)
        self.parts = [kv_rwset_pb2.KVRWSet.FromString(part.rwset) for part in self.results.ns_rwset]
        self.garbled: dict[str, bytes] = {}  # by layer: what to put in place of its message

    @property
    def endorsements(self) -> Any:
        return self.action_payload.action.endorsements

    @property
    def own_part(self) -> Any:
        """The read-write set of the chaincode that was invoked."""
        names = [part.namespace for part in self.results.ns_rwset]
        return self.parts[names.index(self.action.chaincode_id.name)]

    def close(self) -> None:
        for part, content in zip(self.results.ns_rwset, self.parts, strict=False):
            part.rwset = serialized(content)
        self.action.results = self._layer("results", self.results)
        self.response.extension = self._layer("action", self.action)
        self.action_payload.action.proposal_response_payload = self._layer("response", self.response)
        for action in self.transaction.actions:
            action.header = serialized(self.action_header)
            action.payload = serialized(self.action_payload)
        self.payload.data = self._layer("transaction", self.transaction)
        self.payload.header.channel_header = serialized(self.channel_header)
        self.payload.header.signature_header = serialized(self.signature_header)
        self.envelope.payload = serialized(self.payload)

    def _layer(self, name: str, message: Any) -> bytes:
        return self.garbled.get(name) or serialized(message)


@contextmanager
def reopened(envelope: Any, creator: SigningIdentity | None = None) -> Iterator[OpenTransaction]:
    """Open an endorser transaction; at the end close it, signed anew if its creator's key is given."""
    opened = OpenTransaction(envelope)
    yield opened
    opened.close()
    if creator:
        envelope.signature = creator.sign(envelope.payload)


def change_transaction(block: bytes, index: int, change: Callable[[OpenTransaction], None]) -> bytes:
    """Return the block with one of its transactions changed, and nothing else."""
    message = common_pb2.Block.FromString(block)
    envelope = common_pb2.Envelope.FromString(message.data.data[index])
    with reopened(envelope) as opened:
        change(opened)
    message.data.data[index] = serialized(envelope)
    return serialized(message)


def change_block(block: bytes, change: Callable[[Any], None]) -> bytes:
    message = common_pb2.Block.FromString(block)
    change(message)
    return serialized(message)


def change_orderer_metadata(block: bytes, change: Callable[[Any], None]) -> bytes:
    """Return the block with the `Metadata` message that holds its orderers' signatures changed."""
    message = common_pb2.Block.FromString(block)
    metadata = common_pb2.Metadata.FromString(message.metadata.metadata[0])
    change(metadata)
    message.metadata.metadata[0] = serialized(metadata)
    return serialized(message)


def rehashed(blocks: list[bytes], start: int) -> list[bytes]:
    """Return the chain with data hashes and previous hashes right again from block `start` on."""
    result = list(blocks)
    for number in range(start, len(result)):
        message = common_pb2.Block.FromString(result[number])
        message.header.data_hash = data_hash(message.data.data)
        if number:
            previous = header_of(common_pb2.Block.FromString(result[number - 1]))
            message.header.previous_hash = header_hash(previous)
        result[number] = serialized(message)
    return result
