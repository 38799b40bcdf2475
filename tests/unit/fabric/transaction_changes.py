"""Every single-field change of a transaction that we could think of, and the rule that each breaks.

Three attackers are told apart. One has a copy of the chain alone: whatever they change, the data hash no
longer fits. One has the orderer on their side, who signs anything: then the creator's signature gives them
away, or what stands before it. And one has the creator as well: then it is what endorsers signed, and what
the chain's history says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_event_pb2
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.signing import CURVE_ORDERS

from tests.unit.fabric.forge import Channel, serialized
from tests.unit.fabric.tampering import OpenTransaction

Change = Callable[[OpenTransaction, Channel], None]


@dataclass(frozen=True)
class TransactionChange:
    name: str
    apply: Change
    with_orderer: Rule
    with_creator: Rule | None  # None: only a signature changes, and the creator would sign again


CHANGES: list[TransactionChange] = []


def _breaks(with_orderer: Rule, with_creator: Rule | None) -> Callable[[Change], Change]:
    def register(change: Change) -> Change:
        name = change.__name__.replace("_", " ").strip()
        CHANGES.append(TransactionChange(name, change, with_orderer, with_creator))
        return change

    return register


def flipped(data: bytes, position: int = -1) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def high_s(signature: bytes) -> bytes:
    """Return the other signature that the same key could have made of the same message."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, CURVE_ORDERS["secp256r1"] - s)


SIGNATURE = Rule.CREATOR_SIGNATURE


@_breaks(SIGNATURE, None)
def envelope_signature_flipped(tx: OpenTransaction, _: Channel) -> None:
    tx.envelope.signature = flipped(tx.envelope.signature)


@_breaks(SIGNATURE, None)
def envelope_signature_missing(tx: OpenTransaction, _: Channel) -> None:
    tx.envelope.signature = b""


@_breaks(SIGNATURE, None)
def envelope_signature_with_high_s(tx: OpenTransaction, _: Channel) -> None:
    tx.envelope.signature = high_s(tx.envelope.signature)


@_breaks(Rule.LAST_CONFIG, Rule.LAST_CONFIG)
def type_config(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.type = common_pb2.CONFIG


@_breaks(SIGNATURE, Rule.MALFORMED)
def type_config_update(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.type = common_pb2.CONFIG_UPDATE


@_breaks(Rule.MALFORMED, Rule.MALFORMED)
def type_unknown(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.type = 99


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def version_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.version = 7


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def timestamp_a_second_later(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.timestamp.seconds += 1


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def timestamp_some_nanoseconds_later(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.timestamp.nanos += 1


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def timestamp_after_the_certificates(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.timestamp.seconds += 20 * 365 * 86400


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def timestamp_before_the_certificates(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.timestamp.seconds -= 20 * 365 * 86400


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def timestamp_negative(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.timestamp.seconds = -1


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def timestamp_beyond_all_time(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.timestamp.seconds = 2**62


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def timestamp_with_too_many_nanoseconds(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.timestamp.nanos = 1_000_000_000


@_breaks(Rule.CHANNEL, Rule.CHANNEL)
def channel_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.channel_id = "other"


@_breaks(SIGNATURE, Rule.TRANSACTION_ID)
def transaction_id_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.tx_id = "0" * 64


@_breaks(SIGNATURE, Rule.TRANSACTION_ID)
def transaction_id_missing(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.tx_id = ""


@_breaks(Rule.MALFORMED, Rule.MALFORMED)
def epoch_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.epoch = 1


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def proposed_chaincode_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.extension = b"\x12\x04\x12\x02xx"


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def extension_garbled(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.extension = b"\xff"


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def tls_certificate_hash_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.channel_header.tls_cert_hash = b"h" * 32


@_breaks(SIGNATURE, Rule.TRANSACTION_ID)
def nonce_flipped(tx: OpenTransaction, _: Channel) -> None:
    tx.signature_header.nonce = flipped(tx.signature_header.nonce)


@_breaks(Rule.MALFORMED, Rule.MALFORMED)
def nonce_missing(tx: OpenTransaction, _: Channel) -> None:
    tx.signature_header.nonce = b""


@_breaks(Rule.MALFORMED, Rule.MALFORMED)
def creator_missing(tx: OpenTransaction, _: Channel) -> None:
    tx.signature_header.creator = b""


@_breaks(SIGNATURE, SIGNATURE)
def creator_replaced_by_a_member(tx: OpenTransaction, channel: Channel) -> None:
    tx.signature_header.creator = channel.clients[1].creator


@_breaks(Rule.CREATOR, Rule.CREATOR)
def creator_replaced_by_a_stranger(tx: OpenTransaction, _: Channel) -> None:
    tx.signature_header.creator = Channel().clients[0].creator


@_breaks(Rule.CREATOR, Rule.CREATOR)
def creator_garbled(tx: OpenTransaction, _: Channel) -> None:
    tx.signature_header.creator = b"\xff"


@_breaks(Rule.CREATOR, Rule.CREATOR)
def creator_of_another_organisation(tx: OpenTransaction, _: Channel) -> None:
    tx.signature_header.creator = _renamed(tx.signature_header.creator, "Org3MSP")


@_breaks(Rule.CREATOR, Rule.CREATOR)
def creator_of_an_unknown_organisation(tx: OpenTransaction, _: Channel) -> None:
    tx.signature_header.creator = _renamed(tx.signature_header.creator, "NobodyMSP")


@_breaks(Rule.CREATOR, Rule.CREATOR)
def creator_certificate_without_pem(tx: OpenTransaction, _: Channel) -> None:
    identity = identities_pb2.SerializedIdentity.FromString(tx.signature_header.creator)
    identity.id_bytes = b"no certificate"
    tx.signature_header.creator = serialized(identity)


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def action_nonce_flipped(tx: OpenTransaction, _: Channel) -> None:
    tx.action_header.nonce = flipped(tx.action_header.nonce)


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def action_creator_changed(tx: OpenTransaction, channel: Channel) -> None:
    tx.action_header.creator = channel.clients[1].creator


@_breaks(SIGNATURE, Rule.MALFORMED)
def action_nonce_missing(tx: OpenTransaction, _: Channel) -> None:
    tx.action_header.nonce = b""


@_breaks(SIGNATURE, Rule.MALFORMED)
def action_missing(tx: OpenTransaction, _: Channel) -> None:
    del tx.transaction.actions[:]


@_breaks(SIGNATURE, Rule.MALFORMED)
def action_twice(tx: OpenTransaction, _: Channel) -> None:
    tx.transaction.actions.append(tx.transaction.actions[0])


@_breaks(SIGNATURE, Rule.MALFORMED)
def transaction_garbled(tx: OpenTransaction, _: Channel) -> None:
    tx.garbled["transaction"] = b"\xff"


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def arguments_changed(tx: OpenTransaction, _: Channel) -> None:
    proposed = tx.action_payload.chaincode_proposal_payload
    tx.action_payload.chaincode_proposal_payload = flipped(proposed)


@_breaks(SIGNATURE, Rule.PROPOSAL_HASH)
def proposal_hash_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.response.proposal_hash = flipped(tx.response.proposal_hash)


@_breaks(SIGNATURE, Rule.MALFORMED)
def response_garbled(tx: OpenTransaction, _: Channel) -> None:
    tx.garbled["response"] = b"\xff"


@_breaks(SIGNATURE, Rule.MALFORMED)
def chaincode_action_garbled(tx: OpenTransaction, _: Channel) -> None:
    tx.garbled["action"] = b"\xff"


@_breaks(SIGNATURE, Rule.MALFORMED)
def results_garbled(tx: OpenTransaction, _: Channel) -> None:
    tx.garbled["results"] = b"\xff"


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def response_status_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.action.response.status = 201


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def response_payload_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.action.response.payload += b"!"


@_breaks(SIGNATURE, Rule.MALFORMED)
def chaincode_renamed(tx: OpenTransaction, _: Channel) -> None:
    tx.results.ns_rwset.add(namespace="xx")
    tx.action.chaincode_id.name = "xx"


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def chaincode_version_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.action.chaincode_id.version = "9"


@_breaks(SIGNATURE, Rule.MALFORMED)
def chaincode_version_missing(tx: OpenTransaction, _: Channel) -> None:
    tx.action.chaincode_id.version = ""


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def event_added(tx: OpenTransaction, _: Channel) -> None:
    event = chaincode_event_pb2.ChaincodeEvent(chaincode_id=tx.action.chaincode_id.name, event_name="e")
    tx.action.events = serialized(event)


@_breaks(SIGNATURE, Rule.MALFORMED)
def event_of_another_chaincode(tx: OpenTransaction, _: Channel) -> None:
    tx.action.events = serialized(chaincode_event_pb2.ChaincodeEvent(chaincode_id="xx", event_name="e"))


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def namespace_added(tx: OpenTransaction, _: Channel) -> None:
    tx.results.ns_rwset.add(namespace="xx", rwset=b"\x1a\x06\n\x01k\x1a\x01v")


@_breaks(SIGNATURE, Rule.MALFORMED)
def namespace_twice(tx: OpenTransaction, _: Channel) -> None:
    tx.results.ns_rwset.append(tx.results.ns_rwset[0])


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def namespace_renamed(tx: OpenTransaction, _: Channel) -> None:
    tx.results.ns_rwset[0].namespace = "xx"


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def written_key_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.own_part.writes[0].key += "x"


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def written_value_changed(tx: OpenTransaction, _: Channel) -> None:
    tx.own_part.writes[0].value += b"x"


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def write_made_a_deletion(tx: OpenTransaction, _: Channel) -> None:
    tx.own_part.writes[0].is_delete = True


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def write_added(tx: OpenTransaction, _: Channel) -> None:
    tx.own_part.writes.add(key="more", value=b"v")


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def write_dropped(tx: OpenTransaction, _: Channel) -> None:
    del tx.own_part.writes[0]


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def read_added(tx: OpenTransaction, _: Channel) -> None:
    tx.own_part.reads.add(key="unread")


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def read_dropped(tx: OpenTransaction, _: Channel) -> None:
    del next(part for part in tx.parts if part.reads).reads[0]


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def read_key_changed(tx: OpenTransaction, _: Channel) -> None:
    next(part for part in tx.parts if part.reads).reads[0].key += "x"


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def read_version_changed(tx: OpenTransaction, _: Channel) -> None:
    next(part for part in tx.parts if part.reads).reads[0].version.block_num += 1


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def read_transaction_changed(tx: OpenTransaction, _: Channel) -> None:
    next(part for part in tx.parts if part.reads).reads[0].version.tx_num += 1


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def range_query_added(tx: OpenTransaction, _: Channel) -> None:
    tx.own_part.range_queries_info.add(start_key="a", end_key="b", itr_exhausted=True)


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def metadata_write_added(tx: OpenTransaction, _: Channel) -> None:
    tx.own_part.metadata_writes.add(key="a").entries.add(name="VALIDATION_PARAMETER", value=b"p")


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def private_write_added(tx: OpenTransaction, _: Channel) -> None:
    hashed = b"\x12\x06\n\x01h\x1a\x01v"
    tx.results.ns_rwset[-1].collection_hashed_rwset.add(collection_name="c", hashed_rwset=hashed)


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def all_endorsements_dropped(tx: OpenTransaction, _: Channel) -> None:
    del tx.endorsements[:]


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def first_endorsement_dropped(tx: OpenTransaction, _: Channel) -> None:
    del tx.endorsements[0]


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def second_endorsement_dropped(tx: OpenTransaction, _: Channel) -> None:
    del tx.endorsements[1]


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def endorsement_repeated_in_place_of_another(tx: OpenTransaction, _: Channel) -> None:
    tx.endorsements[1].CopyFrom(tx.endorsements[0])


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def endorsement_signatures_swapped(tx: OpenTransaction, _: Channel) -> None:
    first, second = tx.endorsements[0], tx.endorsements[1]
    first.signature, second.signature = second.signature, first.signature


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def endorsement_signature_flipped(tx: OpenTransaction, _: Channel) -> None:
    tx.endorsements[0].signature = flipped(tx.endorsements[0].signature)


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def endorsement_signature_with_high_s(tx: OpenTransaction, _: Channel) -> None:
    tx.endorsements[0].signature = high_s(tx.endorsements[0].signature)


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def endorsement_signature_missing(tx: OpenTransaction, _: Channel) -> None:
    tx.endorsements[0].signature = b""


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def endorser_replaced_by_a_client(tx: OpenTransaction, channel: Channel) -> None:
    _endorse_instead(tx, channel.clients[0])


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def endorser_replaced_by_the_auditor(tx: OpenTransaction, channel: Channel) -> None:
    _endorse_instead(tx, channel.auditor)


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def endorser_replaced_by_a_stranger(tx: OpenTransaction, _: Channel) -> None:
    _endorse_instead(tx, Channel().peers[0])


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def endorser_garbled(tx: OpenTransaction, _: Channel) -> None:
    tx.endorsements[0].endorser = b"\xff"


@_breaks(SIGNATURE, Rule.ENDORSEMENT)
def endorser_of_another_organisation(tx: OpenTransaction, _: Channel) -> None:
    tx.endorsements[0].endorser = _renamed(tx.endorsements[0].endorser, "OrdererMSP")


def _endorse_instead(tx: OpenTransaction, endorser: Any) -> None:
    response = tx.action_payload.action.proposal_response_payload
    tx.endorsements[0].endorser = endorser.creator
    tx.endorsements[0].signature = endorser.sign(response + endorser.creator)


def _renamed(identity: bytes, msp_id: str) -> bytes:
    message = identities_pb2.SerializedIdentity.FromString(identity)
    message.mspid = msp_id
    return serialized(message)
