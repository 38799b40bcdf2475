"""The endorser's half of a transaction: answer a proposal, and put the answers together.

1. Simulate (elsewhere), then `response_payload`: what all endorsers must agree on, byte for byte.
2. `endorse`: each endorser signs that payload together with its own name.
3. `assemble_transaction`: the gateway joins equal answers into the envelope that the client is to sign.

Source: Fabric `protoutil/txutils.go` (`CreateProposalResponse`, `createTx`).
"""

from collections.abc import Sequence
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2

from veilmesh_fabric.errors import VerificationError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.proposal import payload_without_transient, proposal_hash
from veilmesh_fabric.wire import decode

_LOWEST_ERROR_STATUS = 400  # shim.ERRORTHRESHOLD: from here on a chaincode's answer is no endorsement


def response_payload(
    proposal: Any,
    response: Any,
    *,
    results: bytes,
    chaincode_name: str,
    chaincode_version: str,
    event: bytes = b"",
) -> bytes:
    """Return the `ProposalResponsePayload` of a simulation.

    Args:
        proposal: the `Proposal` message.
        response: the `Response` message that the chaincode gave.
        results: the `TxReadWriteSet`, serialized.
        chaincode_name: which chaincode ran.
        chaincode_version: as its definition says.
        event: the `ChaincodeEvent`, serialized; empty where there is none.

    Raises:
        DecodeError: `proposal` does not hold the messages it should.
    """
    header = decode(common_pb2.Header, proposal.header, "proposal header")
    action = proposal_pb2.ChaincodeAction(
        results=results,
        events=event,
        response=response,
        chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode_name, version=chaincode_version),
    )
    payload = proposal_response_pb2.ProposalResponsePayload(
        proposal_hash=proposal_hash(header, proposal.payload), extension=action.SerializeToString()
    )
    data: bytes = payload.SerializeToString()
    return data


def endorse(endorser: SigningIdentity, payload: bytes, response: Any) -> Any:
    """Return `endorser`'s `ProposalResponse`: its signature over `payload` followed by its own creator bytes.

    Args:
        endorser: a peer's identity.
        payload: from `response_payload`.
        response: the same `Response` message as in `payload`.
    """
    return proposal_response_pb2.ProposalResponse(
        version=1,
        response=response,
        payload=payload,
        endorsement=proposal_response_pb2.Endorsement(
            endorser=endorser.creator, signature=endorser.sign(payload + endorser.creator)
        ),
    )


def assemble_transaction(proposal: Any, proposal_responses: Sequence[Any]) -> Any:
    """Return the unsigned transaction `Envelope` of a proposal and its endorsements.

    Args:
        proposal: the `Proposal` message.
        proposal_responses: `ProposalResponse` messages; of several by one endorser the first counts.

    Raises:
        VerificationError: there is none, one is an error, or they differ: a transaction has one result.
        DecodeError: `proposal` does not hold the messages it should.
    """
    header = decode(common_pb2.Header, proposal.header, "proposal header")
    _require_agreement(proposal_responses)
    endorsements: dict[bytes, Any] = {}
    for response in proposal_responses:
        endorsements.setdefault(response.endorsement.endorser, response.endorsement)
    endorsed = transaction_pb2.ChaincodeActionPayload(
        chaincode_proposal_payload=payload_without_transient(proposal.payload),
        action=transaction_pb2.ChaincodeEndorsedAction(
            proposal_response_payload=proposal_responses[0].payload, endorsements=list(endorsements.values())
        ),
    )
    action = transaction_pb2.TransactionAction(
        header=header.signature_header, payload=endorsed.SerializeToString()
    )
    transaction = transaction_pb2.Transaction(actions=[action])
    payload = common_pb2.Payload(header=header, data=transaction.SerializeToString())
    return common_pb2.Envelope(payload=payload.SerializeToString())


def _require_agreement(proposal_responses: Sequence[Any]) -> None:
    if not proposal_responses:
        raise VerificationError("a transaction needs at least one endorsement", rule="endorsed")
    for answer in proposal_responses:
        if answer.response.status >= _LOWEST_ERROR_STATUS:
            status, message = answer.response.status, answer.response.message
            raise VerificationError(f"an endorser answered with status {status}: {message}", rule="endorsed")
        if answer.payload != proposal_responses[0].payload:
            raise VerificationError("endorsers' results differ", rule="equal-results")
