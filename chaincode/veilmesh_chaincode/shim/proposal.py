"""What a peer's TRANSACTION message holds of the client's proposal. The peer has checked the signature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from fabric_protos.common.common_pb2 import ChannelHeader, Header, SignatureHeader
from fabric_protos.peer.chaincode_pb2 import ChaincodeInput
from fabric_protos.peer.proposal_pb2 import ChaincodeProposalPayload, Proposal


@dataclass(frozen=True, slots=True)
class OpenedProposal:
    channel: str
    tx_id: str
    at_s: float  # the client's time, Unix seconds
    creator: bytes  # SerializedIdentity
    arguments: Sequence[bytes]
    transient: Mapping[str, bytes]

    @classmethod
    def from_message(cls, message: Any) -> Self:
        """Take a TRANSACTION apart.

        Raises:
            google.protobuf.message.DecodeError: some layer of it is malformed, which no peer sends.
        """
        proposal = Proposal.FromString(message.proposal.proposal_bytes)
        header = Header.FromString(proposal.header)
        timestamp = ChannelHeader.FromString(header.channel_header).timestamp
        return cls(
            channel=message.channel_id,
            tx_id=message.txid,
            at_s=timestamp.seconds + timestamp.nanos / 1e9,
            creator=SignatureHeader.FromString(header.signature_header).creator,
            arguments=tuple(ChaincodeInput.FromString(message.payload).args),
            transient=dict(ChaincodeProposalPayload.FromString(proposal.payload).TransientMap),
        )
