"""Opening a signed proposal and the checks that need neither contract nor state.

Source: Fabric `core/endorser/msgvalidation.go` and `core/handlers/auth/filter`, whose sentences the refusals
keep. Where Fabric tells a client no more than "access denied" and logs the reason, the reason
stands behind it here: in one process it is no secret.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2
from veilmesh_fabric.certificates import read_certificate
from veilmesh_fabric.errors import DecodeError, IdentityError, UnknownIssuerError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.proposal import transaction_id
from veilmesh_fabric.signature_checks import SignedMessage
from veilmesh_fabric.wire import decode, decode_time

from veilmesh_network.embedded.channel import Channel

_TIME_WINDOW = timedelta(minutes=15)  # contracts look closer


class ProposalError(Exception):
    """The proposal is not one: malformed, not its creator's, or of no one who may propose."""


class FilteredError(ProposalError):
    """A filter turned it away before the endorser saw it, so that a gateway takes the peer for gone."""


class OpenedProposal(NamedTuple):
    """A signed proposal taken apart; nothing of it is checked but its form."""

    message: Any  # peer.Proposal
    signed_bytes: bytes
    signature: bytes
    channel: str
    chaincode: str
    arguments: Sequence[bytes]
    tx_id: str
    at: datetime
    nonce: bytes
    creator: bytes  # SerializedIdentity
    kind: int  # common.HeaderType
    epoch: int


def open_proposal(signed_proposal: Any) -> OpenedProposal:
    """Take a `SignedProposal` apart.

    Raises:
        ProposalError: some layer of it is missing or malformed.
    """
    try:
        message = decode(proposal_pb2.Proposal, signed_proposal.proposal_bytes, "proposal")
        header = decode(common_pb2.Header, message.header, "header")
        channel_header = decode(common_pb2.ChannelHeader, header.channel_header, "channel header")
        signature_header = decode(common_pb2.SignatureHeader, header.signature_header, "signature header")
        payload = decode(proposal_pb2.ChaincodeProposalPayload, message.payload, "proposal payload")
        spec = decode(chaincode_pb2.ChaincodeInvocationSpec, payload.input, "invocation").chaincode_spec
        at = decode_time(channel_header.timestamp, "timestamp")
    except DecodeError as err:
        raise ProposalError(str(err)) from err
    if not channel_header.channel_id:
        raise ProposalError("no channel id provided")
    if not spec.chaincode_id.name:
        raise ProposalError(f"no chaincode name is provided, channel id [{channel_header.channel_id}]")
    return OpenedProposal(
        message=message,
        signed_bytes=signed_proposal.proposal_bytes,
        signature=signed_proposal.signature,
        channel=channel_header.channel_id,
        chaincode=spec.chaincode_id.name,
        arguments=tuple(spec.input.args),
        tx_id=channel_header.tx_id,
        at=at,
        nonce=signature_header.nonce,
        creator=signature_header.creator,
        kind=channel_header.type,
        epoch=channel_header.epoch,
    )


def check_proposal(proposal: OpenedProposal, channel: Channel, now: datetime) -> Identity:
    """Return the proposal's creator, if it is well made, signed, and by one who may propose.

    Raises:
        ProposalError: it is not.
    """
    expected = transaction_id(proposal.nonce, proposal.creator)
    if proposal.kind != common_pb2.ENDORSER_TRANSACTION:
        raise ProposalError(f"error validating proposal: invalid header type {proposal.kind}")
    if proposal.epoch != 0:
        raise ProposalError("error validating proposal: epoch is non-zero")
    if not proposal.nonce:
        raise ProposalError("error validating proposal: nonce is empty")
    if proposal.tx_id != expected:
        raise ProposalError(
            "error validating proposal: incorrectly computed txid "
            f"'{proposal.tx_id}' -- expected '{expected}'"
        )
    _require_time(proposal, now)
    try:
        identity = channel.signer(
            SignedMessage(proposal.creator, proposal.signature, proposal.signed_bytes), now
        )
    except IdentityError as err:
        denied = f"access denied: channel [{proposal.channel}] {_creator(proposal, err)}"
        raise ProposalError(f"error validating proposal: {denied}: {err}") from err
    try:
        channel.require_proposer(identity)
    except IdentityError as err:
        raise ProposalError(policy_refusal(proposal.channel, err)) from err
    return identity


def policy_refusal(channel: str, err: IdentityError) -> str:
    """Return what Fabric says where an access policy is not satisfied (`core/policy/policy.go`)."""
    return f"Failed evaluating policy on signed data during check policy on channel [{channel}]: [{err}]"


def _creator(proposal: OpenedProposal, err: IdentityError) -> str:
    """Return how Fabric calls a creator that it turns away."""
    if isinstance(err, UnknownIssuerError) or _expiry(proposal.creator) is None:
        return "creator org unknown, creator is malformed"
    message = decode(identities_pb2.SerializedIdentity, proposal.creator, "creator")
    return f"creator org [{message.mspid}]"


def _require_time(proposal: OpenedProposal, now: datetime) -> None:
    """Refuse a creator whose certificate has expired, and a time that is far from ours."""
    not_after = _expiry(proposal.creator)
    if not_after is not None and now > not_after:
        raise FilteredError("proposal client identity expired")
    if abs(now - proposal.at) > _TIME_WINDOW:
        raise FilteredError(
            f"request unauthorized due to incorrect timestamp {proposal.at:%Y-%m-%dT%H:%M:%SZ}, "
            f"peer time {now:%Y-%m-%dT%H:%M:%SZ}, peer.authentication.timewindow 15m0s"
        )


@lru_cache(maxsize=4096)
def _expiry(creator: bytes) -> datetime | None:
    try:
        message = decode(identities_pb2.SerializedIdentity, creator, "creator")
        return read_certificate(message.id_bytes).not_after
    except (DecodeError, IdentityError):
        return None
