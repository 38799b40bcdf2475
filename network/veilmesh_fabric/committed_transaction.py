"""A transaction as it stands in a block.

An envelope is a nest of messages, each serialized inside the next, because each layer is signed or hashed as
bytes. `CommittedTransaction` is that nest read whole, with the bytes that signatures and hashes cover kept:

    Envelope{payload, signature}                          signed by the creator
    └ Payload{header, data}
      ├ ChannelHeader, SignatureHeader                    channel, type, id, time; creator, nonce
      └ Transaction                                       or ConfigEnvelope
        └ TransactionAction -> ChaincodeActionPayload
          ├ chaincode_proposal_payload                    what was asked
          └ ChaincodeEndorsedAction
            ├ proposal_response_payload                   signed by every endorser
            │ └ ProposalResponsePayload{proposal_hash, ChaincodeAction{results, events, response}}
            └ endorsements

Anyone who may write to the channel can have garbage ordered, and Fabric then records it with a code that says
what was wrong. So a malformed transaction is no reason to reject its block: it is read as far as it goes, and
`defect` carries the code Fabric gives it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    chaincode_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)

from veilmesh_fabric.errors import DecodeError
from veilmesh_fabric.rwset import ReadWriteSet
from veilmesh_fabric.wire import decode, decode_time

TxValidationCode = transaction_pb2.TxValidationCode  # for names; the codes are quicker from the module


@dataclass(frozen=True, slots=True)
class Defect:
    """What keeps a transaction from being read whole."""

    code: int  # the TxValidationCode that Fabric gives it
    reason: str


class TransactionHeader(NamedTuple):
    type: int  # common.HeaderType
    channel_id: str
    tx_id: str
    timestamp: datetime  # the client's claim; no orderer checks it
    creator: bytes  # SerializedIdentity
    nonce: bytes
    extension: bytes  # ChaincodeHeaderExtension
    channel_header: bytes  # as serialized

    @property
    def computed_tx_id(self) -> str:
        """The id that nonce and creator make: SHA-256 over both, hex."""
        return sha256(self.nonce + self.creator).hexdigest()


class Endorsement(NamedTuple):
    endorser: bytes  # SerializedIdentity
    signature: bytes  # over proposal_response_payload || endorser


class ChaincodeEvent(NamedTuple):
    chaincode: str
    tx_id: str
    name: str
    payload: bytes


class Endorsed(NamedTuple):
    """The endorsed part of a transaction: what was proposed, answered and signed."""

    proposal_hash: bytes  # as the endorsers state it
    computed_proposal_hash: bytes
    proposal_payload: bytes  # ChaincodeProposalPayload without its transient map
    proposal_response_payload: bytes
    endorsements: tuple[Endorsement, ...]


class ChaincodeAction(NamedTuple):
    """What the chaincode did, the same for every endorser."""

    chaincode: str
    version: str
    response_payload: bytes
    event: ChaincodeEvent | None
    results: ReadWriteSet


class CommittedTransaction(NamedTuple):
    payload: bytes  # what the creator signed
    signature: bytes
    header: TransactionHeader | None  # None with a defect in the header or before it
    endorsed: Endorsed | None  # None for a CONFIG transaction, or with a defect before it
    action: ChaincodeAction | None  # likewise
    config: bytes | None  # the ConfigEnvelope of a CONFIG transaction
    defect: Defect | None

    @property
    def tx_id(self) -> str:
        """The transaction's id as it claims, or "" where its header cannot be read."""
        return self.header.tx_id if self.header else ""

    @property
    def is_config(self) -> bool:
        return self.header is not None and self.header.type == common_pb2.CONFIG

    def arguments(self) -> tuple[bytes, ...]:
        """Return the chaincode's arguments, the function's name first.

        Raises:
            DecodeError: it is no endorser transaction, or what was proposed cannot be read.
        """
        if self.endorsed is None:
            raise DecodeError("only an endorser transaction has chaincode arguments")
        proposed = decode(
            proposal_pb2.ChaincodeProposalPayload, self.endorsed.proposal_payload, "proposal payload"
        )
        invocation = decode(chaincode_pb2.ChaincodeInvocationSpec, proposed.input, "invocation")
        return tuple(invocation.chaincode_spec.input.args)


class _Found(Exception):  # noqa: N818 - carries the defect to the one place that catches it
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.defect = Defect(code, reason)


def decode_transaction(data: bytes) -> CommittedTransaction:
    """Read one entry of a block's data. Never fails: see `CommittedTransaction.defect`."""
    payload = signature = b""
    header: TransactionHeader | None = None
    endorsed: Endorsed | None = None
    action: ChaincodeAction | None = None
    config: bytes | None = None
    defect: Defect | None = None
    try:
        envelope = _read(transaction_pb2.INVALID_OTHER_REASON, common_pb2.Envelope, data, "envelope")
        payload, signature = envelope.payload, envelope.signature
        content = _read(transaction_pb2.BAD_PAYLOAD, common_pb2.Payload, payload, "payload")
        headers = content.header
        signature_header = headers.signature_header
        header = _header(headers.channel_header, signature_header)
        if header.type == common_pb2.CONFIG:
            config = content.data
        elif header.type == common_pb2.ENDORSER_TRANSACTION:
            endorsed, response = _endorsed(header, signature_header, content.data)
            action = _action(header, response)
        else:
            defect = Defect(transaction_pb2.UNSUPPORTED_TX_PAYLOAD, f"type {header.type} is never committed")
    except _Found as found:
        defect = found.defect
    return CommittedTransaction(payload, signature, header, endorsed, action, config, defect)


def _read(code: int, message_type: Any, data: bytes, what: str) -> Any:
    try:
        return decode(message_type, data, what)
    except DecodeError as err:
        raise _Found(code, str(err)) from err


_NEVER = datetime.min.replace(tzinfo=UTC)  # a time at which nobody's certificate was valid
_COMMITTED_TYPES = {common_pb2.ENDORSER_TRANSACTION, common_pb2.CONFIG_UPDATE, common_pb2.CONFIG}


def _header(channel_header: bytes, signature_header: bytes) -> TransactionHeader:
    bad = transaction_pb2.BAD_COMMON_HEADER
    channel = _read(bad, common_pb2.ChannelHeader, channel_header, "channel header")
    signer = _read(bad, common_pb2.SignatureHeader, signature_header, "signature header")
    kind, nonce, creator = channel.type, signer.nonce, signer.creator
    if kind not in _COMMITTED_TYPES:
        raise _Found(bad, f"header type {kind} is not a transaction's")
    if channel.epoch != 0:
        raise _Found(bad, f"epoch is {channel.epoch}, not 0")
    if kind != common_pb2.CONFIG and not (nonce and creator):  # block 0 has no creator
        raise _Found(bad, "signature header has no nonce or no creator")
    return TransactionHeader(
        type=kind,
        channel_id=channel.channel_id,
        tx_id=channel.tx_id,
        timestamp=_time(channel.timestamp),
        creator=creator,
        nonce=nonce,
        extension=channel.extension,
        channel_header=channel_header,
    )


def _time(timestamp: Any) -> datetime:
    """Return a transaction's time. No peer looks whether it is one, so what is none is no defect yet."""
    try:
        return decode_time(timestamp, "timestamp")
    except DecodeError:
        return _NEVER


def _endorsed(header: TransactionHeader, signature_header: bytes, data: bytes) -> tuple[Endorsed, Any]:
    """Return the endorsed part and the `ProposalResponsePayload` message, unread."""
    bad = transaction_pb2.INVALID_ENDORSER_TRANSACTION
    actions = _read(bad, transaction_pb2.Transaction, data, "transaction").actions[:]
    if len(actions) != 1:
        raise _Found(bad, f"transaction has {len(actions)} actions, not one")
    (first,) = actions
    action_header = first.header
    if action_header != signature_header:  # the same in every transaction that Fabric's clients make
        signer = _read(bad, common_pb2.SignatureHeader, action_header, "action's signature header")
        if not signer.nonce or not signer.creator:
            raise _Found(bad, "action's signature header has no nonce or no creator")
    payload = _read(bad, transaction_pb2.ChaincodeActionPayload, first.payload, "chaincode action payload")
    proposed, action = payload.chaincode_proposal_payload, payload.action
    response_bytes = action.proposal_response_payload
    response = _read(
        bad, proposal_response_pb2.ProposalResponsePayload, response_bytes, "proposal response payload"
    )
    endorsed = Endorsed(
        proposal_hash=response.proposal_hash,
        computed_proposal_hash=sha256(header.channel_header + action_header + proposed).digest(),
        proposal_payload=proposed,
        proposal_response_payload=response_bytes,
        endorsements=tuple([Endorsement(each.endorser, each.signature) for each in action.endorsements[:]]),
    )
    return endorsed, response


def _action(header: TransactionHeader, response: Any) -> ChaincodeAction:
    extension = _read(
        transaction_pb2.BAD_HEADER_EXTENSION,
        proposal_pb2.ChaincodeHeaderExtension,
        header.extension,
        "channel header's extension",
    )
    action = _read(
        transaction_pb2.BAD_RESPONSE_PAYLOAD,
        proposal_pb2.ChaincodeAction,
        response.extension,
        "chaincode action",
    )
    try:
        results = ReadWriteSet.from_bytes(action.results)
    except DecodeError as err:
        raise _Found(transaction_pb2.BAD_RWSET, str(err)) from err
    if not extension.HasField("chaincode_id") or not action.HasField("chaincode_id"):
        raise _Found(transaction_pb2.INVALID_OTHER_REASON, "header extension or action names no chaincode")
    chaincode, proposed_to = action.chaincode_id, extension.chaincode_id.name
    name, version = chaincode.name, chaincode.version
    if not name or name != proposed_to or not version:
        raise _Found(
            transaction_pb2.INVALID_CHAINCODE,
            f"chaincode {name!r} {version!r} answered a proposal for {proposed_to!r}",
        )
    event = _event(action.events, name)
    namespaces = [part.namespace for part in results.namespaces]
    if len(set(namespaces)) != len(namespaces):
        raise _Found(transaction_pb2.ILLEGAL_WRITESET, f"a namespace occurs twice among {namespaces}")
    answer = action.response
    return ChaincodeAction(name, version, answer.payload, event, results)


def _event(data: bytes, chaincode: str) -> ChaincodeEvent | None:
    if not data:
        return None
    bad = transaction_pb2.INVALID_OTHER_REASON
    event = _read(bad, chaincode_event_pb2.ChaincodeEvent, data, "chaincode event")
    if event.chaincode_id != chaincode:
        raise _Found(bad, f"event of chaincode {event.chaincode_id!r} in a transaction of {chaincode!r}")
    return ChaincodeEvent(event.chaincode_id, event.tx_id, event.event_name, event.payload)
