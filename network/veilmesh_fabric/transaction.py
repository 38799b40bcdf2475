"""A transaction: an endorsed proposal on its way into a block.

The gateway hands back an unsigned envelope. Whoever signs it vouches for it, so `PreparedTransaction.open`
first compares it with what was proposed: a gateway cannot slip another transaction under the signature.
"""

from dataclasses import dataclass, field
from typing import Any, Self

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from veilmesh_fabric.errors import VerificationError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.proposal import Proposal, payload_without_transient, proposal_hash
from veilmesh_fabric.wire import decode


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction as it travels to the orderers."""

    channel_name: str
    tx_id: str
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def to_proto(self) -> Any:
        return common_pb2.Envelope(payload=self.payload, signature=self.signature)


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    """An endorsed transaction, in the bytes that are to be signed."""

    channel_name: str
    tx_id: str
    payload: bytes = field(repr=False)
    result: bytes = field(repr=False)  # what the chaincode returned; it counts once the commit is VALID

    @classmethod
    def open(cls, proposal: Proposal, envelope: Any) -> Self:
        """Read the gateway's answer to `proposal`.

        Args:
            proposal: what was proposed.
            envelope: the unsigned `Envelope` message.

        Raises:
            DecodeError: it is no transaction.
            VerificationError: it is not the transaction of this proposal.
        """
        proposed = decode(proposal_pb2.Proposal, proposal.proposal_bytes, "proposal")
        proposed_header = decode(common_pb2.Header, proposed.header, "proposal header")
        payload = decode(common_pb2.Payload, envelope.payload, "transaction payload")
        endorsed = _endorsed_action(payload.data)
        response = decode(
            proposal_response_pb2.ProposalResponsePayload,
            endorsed.action.proposal_response_payload,
            "proposal response",
        )
        checks = {
            "header": payload.header == proposed_header,
            "input": endorsed.chaincode_proposal_payload == payload_without_transient(proposed.payload),
            "endorsed proposal": response.proposal_hash == proposal_hash(proposed_header, proposed.payload),
        }
        for part, same in checks.items():
            if not same:
                raise VerificationError(
                    f"the gateway's transaction has another {part} than the proposal",
                    rule="prepared-as-proposed",
                    tx_id=proposal.tx_id,
                )
        action = decode(proposal_pb2.ChaincodeAction, response.extension, "chaincode action")
        return cls(proposal.channel_name, proposal.tx_id, envelope.payload, action.response.payload)

    def sign(self, identity: SigningIdentity) -> SignedTransaction:
        return SignedTransaction(self.channel_name, self.tx_id, self.payload, identity.sign(self.payload))


def _endorsed_action(data: bytes) -> Any:
    transaction = decode(transaction_pb2.Transaction, data, "transaction")
    if len(transaction.actions) != 1:
        raise VerificationError(
            f"transaction has {len(transaction.actions)} actions instead of one", rule="one-action"
        )
    return decode(
        transaction_pb2.ChaincodeActionPayload, transaction.actions[0].payload, "transaction action"
    )
