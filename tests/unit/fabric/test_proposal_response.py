from datetime import UTC, datetime
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2
from veilmesh_fabric.errors import DecodeError, VerificationError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.proposal import Proposal
from veilmesh_fabric.proposal_response import assemble_transaction, endorse, response_payload
from veilmesh_fabric.signing import verify
from veilmesh_fabric.transaction import PreparedTransaction

from tests.unit.fabric.identities import identity

ALICE = identity("Org1MSP", "alice")
PEERS = [identity(f"Org{number}MSP", f"peer{number}") for number in (1, 2, 3)]
OK = proposal_response_pb2.Response(status=200, payload=b"result")


def proposed(*args: str) -> Proposal:
    return Proposal.build(
        ALICE.creator,
        "veil",
        "mesh",
        args or ("Change",),
        at=datetime.now(UTC),
        transient={"salt": b"secret"},
    )


def answers(
    proposal: Proposal, endorsers: list[SigningIdentity], results: bytes = b"writes", response: Any = OK
) -> list[Any]:
    message = proposal_pb2.Proposal.FromString(proposal.proposal_bytes)
    payload = response_payload(
        message, response, results=results, chaincode_name="mesh", chaincode_version="1.0", event=b"event"
    )
    return [endorse(endorser, payload, response) for endorser in endorsers]


def assemble(proposal: Proposal, responses: list[Any]) -> Any:
    return assemble_transaction(proposal_pb2.Proposal.FromString(proposal.proposal_bytes), responses)


def action_payload(envelope: Any) -> Any:
    payload = common_pb2.Payload.FromString(envelope.payload)
    transaction = transaction_pb2.Transaction.FromString(payload.data)
    return transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)


def test_each_endorser_signs_the_payload_and_its_own_name() -> None:
    for peer, answer in zip(PEERS, answers(proposed(), PEERS), strict=True):
        assert answer.endorsement.endorser == peer.creator
        verify(peer.signer.public_key, answer.endorsement.signature, answer.payload + peer.creator)


def test_a_transaction_carries_proposal_result_and_endorsements() -> None:
    proposal = proposed()
    responses = answers(proposal, PEERS)
    envelope = assemble(proposal, responses)

    assert envelope.signature == b""
    endorsed = action_payload(envelope)
    assert list(endorsed.action.endorsements) == [response.endorsement for response in responses]
    assert endorsed.action.proposal_response_payload == responses[0].payload
    action = proposal_pb2.ChaincodeAction.FromString(
        proposal_response_pb2.ProposalResponsePayload.FromString(responses[0].payload).extension
    )
    assert (action.results, action.events) == (b"writes", b"event")
    assert (action.chaincode_id.name, action.chaincode_id.version) == ("mesh", "1.0")


def test_transient_data_stays_out_of_the_transaction() -> None:
    proposal = proposed()
    assert b"secret" in proposal.proposal_bytes
    assert b"secret" not in assemble(proposal, answers(proposal, PEERS)).payload


def test_an_endorser_counts_once() -> None:
    proposal = proposed()
    envelope = assemble(proposal, answers(proposal, [PEERS[0], PEERS[0], PEERS[1]]))
    assert [one.endorser for one in action_payload(envelope).action.endorsements] == [
        PEERS[0].creator,
        PEERS[1].creator,
    ]


def test_endorsers_must_agree() -> None:
    proposal = proposed()
    different = answers(proposal, PEERS[:1]) + answers(proposal, PEERS[1:2], results=b"other writes")
    with pytest.raises(VerificationError, match="results differ"):
        assemble(proposal, different)


def test_a_chaincodes_refusal_is_no_endorsement() -> None:
    proposal = proposed()
    refused = proposal_response_pb2.Response(status=403, message="not yours")
    with pytest.raises(VerificationError, match="status 403: not yours"):
        assemble(proposal, answers(proposal, PEERS, response=refused))
    with pytest.raises(VerificationError, match="at least one endorsement"):
        assemble(proposal, [])


def test_the_client_opens_the_transaction_of_its_own_proposal() -> None:
    proposal = proposed()
    prepared = PreparedTransaction.open(proposal, assemble(proposal, answers(proposal, PEERS)))
    assert (prepared.tx_id, prepared.result) == (proposal.tx_id, b"result")

    envelope = prepared.sign(ALICE).to_proto()
    verify(ALICE.signer.public_key, envelope.signature, envelope.payload)


def test_the_client_signs_no_other_proposals_transaction() -> None:
    mine, another = proposed(), proposed()
    with pytest.raises(VerificationError, match="another header than the proposal") as caught:
        PreparedTransaction.open(mine, assemble(another, answers(another, PEERS)))
    assert caught.value.tx_id == mine.tx_id


def test_the_client_signs_no_other_arguments() -> None:
    mine, another = proposed("Pay", "1"), proposed("Pay", "1000")
    message = proposal_pb2.Proposal.FromString(mine.proposal_bytes)
    message.payload = proposal_pb2.Proposal.FromString(another.proposal_bytes).payload
    exchanged = Proposal("veil", mine.tx_id, message.SerializeToString())
    with pytest.raises(VerificationError, match="another input than the proposal"):
        PreparedTransaction.open(mine, assemble(exchanged, answers(exchanged, PEERS)))


def test_the_client_signs_no_endorsement_of_something_else() -> None:
    mine, another = proposed(), proposed()
    with pytest.raises(VerificationError, match="another endorsed proposal than the proposal"):
        PreparedTransaction.open(mine, assemble(mine, answers(another, PEERS)))


def test_what_is_no_transaction_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="transaction payload"):
        PreparedTransaction.open(proposed(), common_pb2.Envelope(payload=b"\xff\xff"))


def test_a_transaction_of_no_action_is_refused() -> None:
    empty = common_pb2.Payload(data=transaction_pb2.Transaction().SerializeToString())
    with pytest.raises(VerificationError, match="0 actions instead of one"):
        PreparedTransaction.open(proposed(), common_pb2.Envelope(payload=empty.SerializeToString()))
