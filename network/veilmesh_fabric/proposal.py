"""A proposal: what a client asks endorsers to simulate.

    SignedProposal
    ├── proposal_bytes = Proposal
    │   ├── header = Header
    │   │   ├── channel_header = ChannelHeader: type, time, channel, transaction id, TLS certificate's hash
    │   │   │   └── extension = ChaincodeHeaderExtension: chaincode's name
    │   │   └── signature_header = SignatureHeader: creator, nonce
    │   └── payload = ChaincodeProposalPayload
    │       ├── input = ChaincodeInvocationSpec: function and arguments
    │       └── TransientMap: for the endorsers alone, never in a block
    └── signature over proposal_bytes

Each layer is serialized on its own: hashes and signatures cover exact bytes (Fabric `peer/proposal.proto`).
Sending it is for `calls.py`; answering it for `proposal_response.py`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Self

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.wire import decode

NONCE_BYTES = 24


def transaction_id(nonce: bytes, creator: bytes) -> str:
    """Return the id that follows from who asks and a fresh nonce: SHA-256 of both, hex.

    Source: Fabric `protoutil/proputils.go`, `ComputeTxID`.
    """
    return sha256(nonce + creator).hexdigest()


@dataclass(frozen=True, slots=True)
class SignedProposal:
    """A proposal as it travels. The signature may come from anywhere: a token, another machine."""

    proposal: "Proposal"
    signature: bytes = field(repr=False)

    def to_proto(self) -> Any:
        return proposal_pb2.SignedProposal(
            proposal_bytes=self.proposal.proposal_bytes, signature=self.signature
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """An unsigned proposal, in the bytes that are to be signed."""

    channel_name: str
    tx_id: str
    proposal_bytes: bytes = field(repr=False)  # may hold transient data

    @classmethod
    def build(
        cls,
        creator: bytes,
        channel_name: str,
        chaincode_name: str,
        args: Sequence[bytes | str],
        *,
        at: datetime,
        transient: Mapping[str, bytes] | None = None,
        tls_certificate_hash: bytes = b"",
        nonce: bytes | None = None,
    ) -> Self:
        """Return a new proposal.

        Args:
            creator: `SigningIdentity.creator` of who asks.
            channel_name: the channel.
            chaincode_name: the chaincode.
            args: the function's name first; text becomes UTF-8.
            at: the transaction's timestamp, aware.
            transient: inputs that endorsers see and blocks do not.
            tls_certificate_hash: `certificate_hash` of the client's TLS certificate; ties the proposal to
                the connection.
            nonce: 24 fresh random bytes when not given.
        """
        nonce = os.urandom(NONCE_BYTES) if nonce is None else nonce
        tx_id = transaction_id(nonce, creator)
        header = common_pb2.Header(
            channel_header=_channel_header(channel_name, chaincode_name, tx_id, at, tls_certificate_hash),
            signature_header=_serialize(common_pb2.SignatureHeader(creator=creator, nonce=nonce)),
        )
        payload = proposal_pb2.ChaincodeProposalPayload(
            input=_invocation(chaincode_name, args), TransientMap=transient or {}
        )
        message = proposal_pb2.Proposal(header=_serialize(header), payload=_serialize(payload))
        return cls(channel_name, tx_id, _serialize(message))

    def sign(self, identity: SigningIdentity) -> SignedProposal:
        return SignedProposal(self, identity.sign(self.proposal_bytes))


def payload_without_transient(proposal_payload: bytes) -> bytes:
    """Return a `ChaincodeProposalPayload` as a transaction carries it: the input alone.

    Raises:
        DecodeError: `proposal_payload` is no such message.

    Source: Fabric `protoutil/proputils.go`, `GetBytesProposalPayloadForTx`.
    """
    payload = decode(proposal_pb2.ChaincodeProposalPayload, proposal_payload, "proposal payload")
    return _serialize(proposal_pb2.ChaincodeProposalPayload(input=payload.input))


def proposal_hash(header: Any, proposal_payload: bytes) -> bytes:
    """Return the hash by which an endorsement refers to its proposal.

    Args:
        header: the proposal's `Header` message.
        proposal_payload: its `ChaincodeProposalPayload`, with or without transient data.

    Returns:
        SHA-256 over channel header, signature header and the payload without transient data.

    Raises:
        DecodeError: `proposal_payload` is no such message.

    Source: Fabric `protoutil/proputils.go`, `GetProposalHash1`.
    """
    return sha256(
        header.channel_header + header.signature_header + payload_without_transient(proposal_payload)
    ).digest()


def _channel_header(
    channel_name: str, chaincode_name: str, tx_id: str, at: datetime, tls_certificate_hash: bytes
) -> bytes:
    timestamp = Timestamp()
    timestamp.FromDatetime(at)
    extension = proposal_pb2.ChaincodeHeaderExtension(
        chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode_name)
    )
    return _serialize(
        common_pb2.ChannelHeader(
            type=common_pb2.ENDORSER_TRANSACTION,
            timestamp=timestamp,
            channel_id=channel_name,
            tx_id=tx_id,
            extension=_serialize(extension),
            tls_cert_hash=tls_certificate_hash,
        )
    )


def _invocation(chaincode_name: str, args: Sequence[bytes | str]) -> bytes:
    encoded = [arg.encode() if isinstance(arg, str) else arg for arg in args]
    specification = chaincode_pb2.ChaincodeSpec(
        chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode_name),
        input=chaincode_pb2.ChaincodeInput(args=encoded),
    )
    return _serialize(chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=specification))


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString(deterministic=True)
    return data
