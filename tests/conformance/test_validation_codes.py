"""Transactions that were tampered with, handed to the ordering service itself: what each comes to.

A gateway sends what it is given, and so does this: whoever may write to the channel can have anything ordered
that is signed. It stands in a block, under the code of the first rule that it breaks.

Each waits for its block before anything else is sent. A Fabric peer that finds some of them in one block with
good transactions does not survive it (`docs/two-ledgers.md`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2
from veilmesh_fabric import BroadcastError, EndorsedTransaction, blocks
from veilmesh_fabric.block import decode_block
from veilmesh_fabric.committed_transaction import TxValidationCode
from veilmesh_fabric.ordering import broadcast
from veilmesh_fabric.proposal import transaction_id
from veilmesh_fabric.signing import CURVE_ORDERS
from veilmesh_network.fabric.binaries import Release
from veilmesh_network.network import Network

from tests.conformance.releases import release_of
from tests.integration.ledger.ledger import CHANNEL, Ledger


@dataclass
class Opened:
    """An endorsed transaction, taken apart; `ledger` for who signs it."""

    ledger: Ledger
    payload: Any  # common.Payload
    channel_header: Any
    signature_header: Any
    data: Any  # peer.Transaction; or bytes, to be taken as they are
    action: Any  # peer.ChaincodeActionPayload of its one action; None to leave `data` as it is
    signer: str = "org1"

    @classmethod
    def of(cls, ledger: Ledger, transaction: EndorsedTransaction) -> "Opened":
        payload = common_pb2.Payload.FromString(transaction.sign().payload)
        data = transaction_pb2.Transaction.FromString(payload.data)
        return cls(
            ledger,
            payload,
            common_pb2.ChannelHeader.FromString(payload.header.channel_header),
            common_pb2.SignatureHeader.FromString(payload.header.signature_header),
            data,
            transaction_pb2.ChaincodeActionPayload.FromString(data.actions[0].payload),
        )

    def envelope(self) -> Any:
        self.payload.header.channel_header = self.channel_header.SerializeToString()
        self.payload.header.signature_header = self.signature_header.SerializeToString()
        if self.action is not None:
            self.data.actions[0].payload = self.action.SerializeToString()
        self.payload.data = self.data if isinstance(self.data, bytes) else self.data.SerializeToString()
        signed = self.payload.SerializeToString()
        return common_pb2.Envelope(payload=signed, signature=self.ledger.identities[self.signer].sign(signed))


Change = Callable[[Opened], None]
_CHANGES: list[Any] = []


def _comes_to(code: str) -> Callable[[Change], Change]:
    def remember(change: Change) -> Change:
        _CHANGES.append(pytest.param(change, code, id=change.__name__.strip("_")))
        return change

    return remember


@_comes_to("VALID")
def _nothing_changed(_: Opened) -> None:
    pass


@_comes_to("BAD_PROPOSAL_TXID")
def _another_id(tx: Opened) -> None:
    tx.channel_header.tx_id = "0" * 64


@_comes_to("BAD_PROPOSAL_TXID")
def _no_id(tx: Opened) -> None:
    tx.channel_header.tx_id = ""


@_comes_to("BAD_PROPOSAL_TXID")
def _another_creator(tx: Opened) -> None:
    tx.signer = "org2"
    tx.signature_header.creator = tx.ledger.identities["org2"].creator


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _another_creator_and_its_id(tx: Opened) -> None:
    _another_creator(tx)
    tx.channel_header.tx_id = transaction_id(tx.signature_header.nonce, tx.signature_header.creator)


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _another_creator_throughout(tx: Opened) -> None:
    _another_creator_and_its_id(tx)
    tx.data.actions[0].header = tx.signature_header.SerializeToString()


@_comes_to("BAD_COMMON_HEADER")
def _no_nonce(tx: Opened) -> None:
    tx.signature_header.nonce = b""


@_comes_to("BAD_COMMON_HEADER")
def _an_epoch(tx: Opened) -> None:
    tx.channel_header.epoch = 1


@_comes_to("BAD_COMMON_HEADER")
def _of_no_type(tx: Opened) -> None:
    tx.channel_header.type = common_pb2.MESSAGE


@_comes_to("BAD_COMMON_HEADER")
def _of_another_type(tx: Opened) -> None:
    tx.channel_header.type = common_pb2.DELIVER_SEEK_INFO


@_comes_to("BAD_COMMON_HEADER")
def _of_a_type_that_does_not_exist(tx: Opened) -> None:
    tx.channel_header.type = 99


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _another_version(tx: Opened) -> None:
    tx.channel_header.version = 7


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _another_time(tx: Opened) -> None:
    tx.channel_header.timestamp.seconds += 5


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _no_time(tx: Opened) -> None:
    """Before all certificates; nothing that a verifier could take for the time at which it was signed."""
    tx.channel_header.ClearField("timestamp")


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _a_time_before_all_time(tx: Opened) -> None:
    tx.channel_header.timestamp.seconds = -(2**62)


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _a_time_after_all_time(tx: Opened) -> None:
    tx.channel_header.timestamp.seconds = 2**62


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _more_nanoseconds_than_a_second_has(tx: Opened) -> None:
    tx.channel_header.timestamp.nanos = 2**30


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _another_chaincode_in_the_header(tx: Opened) -> None:
    extension = proposal_pb2.ChaincodeHeaderExtension.FromString(tx.channel_header.extension)
    extension.chaincode_id.name = "split"
    tx.channel_header.extension = extension.SerializeToString()


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _rubbish_for_an_extension(tx: Opened) -> None:
    tx.channel_header.extension = b"\xff"


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _rubbish_for_data(tx: Opened) -> None:
    tx.action, tx.data = None, b"\xff\xff\xff"


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _no_data(tx: Opened) -> None:
    tx.action, tx.data = None, b""


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _two_actions(tx: Opened) -> None:
    tx.data.actions.add().CopyFrom(tx.data.actions[0])


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _rubbish_for_an_action(tx: Opened) -> None:
    tx.action, tx.data.actions[0].payload = None, b"\xff"


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _no_header_of_the_action(tx: Opened) -> None:
    tx.data.actions[0].header = b""


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _no_proposal(tx: Opened) -> None:
    tx.action.chaincode_proposal_payload = b""


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _another_proposal(tx: Opened) -> None:
    proposal = proposal_pb2.ChaincodeProposalPayload(input=b"another")
    tx.action.chaincode_proposal_payload = proposal.SerializeToString()


@_comes_to("INVALID_ENDORSER_TRANSACTION")
def _rubbish_for_a_response(tx: Opened) -> None:
    tx.action.action.proposal_response_payload = b"\xff"


@_comes_to("ENDORSEMENT_POLICY_FAILURE")
def _another_result(tx: Opened) -> None:
    response = proposal_response_pb2.ProposalResponsePayload.FromString(
        tx.action.action.proposal_response_payload
    )
    action = proposal_pb2.ChaincodeAction.FromString(response.extension)
    action.response.payload = b"a lie"
    response.extension = action.SerializeToString()
    tx.action.action.proposal_response_payload = response.SerializeToString()


@_comes_to("ENDORSEMENT_POLICY_FAILURE")
def _no_endorsements(tx: Opened) -> None:
    del tx.action.action.endorsements[:]


@_comes_to("ENDORSEMENT_POLICY_FAILURE")
def _one_endorsement_twice(tx: Opened) -> None:
    endorsements = tx.action.action.endorsements
    del endorsements[1:]
    endorsements.add().CopyFrom(endorsements[0])


@_comes_to("ENDORSEMENT_POLICY_FAILURE")
def _endorsements_of_something_else(tx: Opened) -> None:
    for endorsement in tx.action.action.endorsements:
        endorsement.signature = tx.ledger.identities["org1"].sign(b"something else")


@_comes_to("ENDORSEMENT_POLICY_FAILURE")
def _endorsed_by_clients(tx: Opened) -> None:
    endorsements = tx.action.action.endorsements
    del endorsements[:]
    for who in ("org1", "org2", "org3"):
        identity = tx.ledger.identities[who]
        message = tx.action.action.proposal_response_payload + identity.creator
        endorsements.add(endorser=identity.creator, signature=identity.sign(message))


@_comes_to("VALID")
def _rubbish_beside_the_endorsements(tx: Opened) -> None:
    tx.action.action.endorsements.add(endorser=b"rubbish", signature=b"rubbish")


@pytest.mark.parametrize(("change", "code"), _CHANGES)
async def test_what_a_tampered_transaction_comes_to(
    ledger: Ledger, fresh: str, change: Change, code: str
) -> None:
    height = await ledger.height()
    opened = Opened.of(ledger, await ledger.contract().endorse("put", fresh, "value"))
    change(opened)
    envelope = opened.envelope()
    await broadcast(ledger.orderers, envelope)
    stream = blocks(ledger.connection, ledger.identities["audit"], CHANNEL, start=height, stop=height)
    (block,) = [decode_block(each.SerializeToString()) async for each in stream]
    assert list(block.data) == [envelope.SerializeToString()]
    assert [TxValidationCode.Name(each) for each in block.metadata.validation_codes] == [code]
    assert await ledger.contract().evaluate("get", fresh) == (b"value" if code == "VALID" else b"")


def _of_another_channel(tx: Opened) -> Any:
    tx.channel_header.channel_id = "elsewhere"
    return tx.envelope()


def _configuration(tx: Opened) -> Any:
    tx.channel_header.type = common_pb2.CONFIG
    return tx.envelope()


def _outdated(tx: Opened) -> Any:
    tx.channel_header.type = common_pb2.ORDERER_TRANSACTION
    return tx.envelope()


def _signed_by_another(tx: Opened) -> Any:
    tx.signer = "org2"
    return tx.envelope()


def _signed_by_an_auditor(tx: Opened) -> Any:
    tx.signer = "audit"
    return tx.envelope()


def _in_the_other_form(tx: Opened) -> Any:
    """Of (r, s) and (r, order - s), both of which hold, Fabric takes the one with the smaller s."""
    envelope = tx.envelope()
    r, s = decode_dss_signature(envelope.signature)
    envelope.signature = encode_dss_signature(r, CURVE_ORDERS["secp256r1"] - s)
    return envelope


def _empty(_: Opened) -> Any:
    return common_pb2.Envelope()


def _rubbish(_: Opened) -> Any:
    return common_pb2.Envelope(payload=b"\xff\xff", signature=b"x")


def _without_header(_: Opened) -> Any:
    payload = common_pb2.Payload(data=b"x")
    return common_pb2.Envelope(payload=payload.SerializeToString(), signature=b"x")


_WORDS_OF_2_5: dict[Callable[[Opened], Any], str] = {
    _of_another_channel: "channel creation request not allowed",
    _outdated: "message is of type that cannot be processed directly",
}


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (_of_another_channel, "BAD_REQUEST", "channel does not exist"),
        (_configuration, "BAD_REQUEST", "message is of type that cannot be processed directly"),
        (_outdated, "BAD_REQUEST", "message is of type that is no longer supported"),
        (_signed_by_another, "FORBIDDEN", "permission denied"),
        (_signed_by_an_auditor, "FORBIDDEN", "permission denied"),
        (_in_the_other_form, "FORBIDDEN", "permission denied"),
        (_empty, "BAD_REQUEST", "could not determine channel ID: header not set"),
        (_rubbish, "BAD_REQUEST", "could not determine channel ID"),
        (_without_header, "BAD_REQUEST", "could not determine channel ID: header not set"),
    ],
)
async def test_what_is_not_ordered(
    ledger: Ledger, network: Network, fresh: str, *, change: Callable[[Opened], Any], status: str, words: str
) -> None:
    if release_of(network) is Release.V2_5:
        words = _WORDS_OF_2_5.get(change, words)
    height = await ledger.height()
    opened = Opened.of(ledger, await ledger.contract().endorse("put", fresh, "value"))
    with pytest.raises(BroadcastError) as refused:
        await broadcast(ledger.orderers, change(opened))
    assert refused.value.status == status
    assert words in refused.value.info
    submitted = await ledger.contract().submit("put", fresh, "another")
    assert submitted.block_number == height
