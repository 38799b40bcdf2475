"""Fabric's protocol for Python: identities, a Gateway client, blocks and their verification.

Names are loaded when first used, so that reading blocks does not import gRPC.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from veilmesh_fabric.block_files import BlockFolder
    from veilmesh_fabric.calls import Deadlines, GatewayCalls
    from veilmesh_fabric.causes import Cause
    from veilmesh_fabric.channel_config import ChannelConfig
    from veilmesh_fabric.checkpoint import Checkpoint, Position
    from veilmesh_fabric.commit import CommitStatus, CommitStatusRequest, SignedCommitStatusRequest
    from veilmesh_fabric.config_history import ConfigInForce, config_in_force
    from veilmesh_fabric.config_request import ConfigUpdateRequest
    from veilmesh_fabric.config_submission import submit_config_update
    from veilmesh_fabric.connection import certificate_hash, connect
    from veilmesh_fabric.contract import Contract, EndorsedTransaction, SubmittedTransaction
    from veilmesh_fabric.deliver import blocks
    from veilmesh_fabric.errors import (
        BlockFilesError,
        BroadcastError,
        CheckpointError,
        CommitError,
        CommitStatusError,
        ConfigOvertakenError,
        ConfigUpdateError,
        ConsentError,
        DecodeError,
        DeliverError,
        EndorseError,
        EvaluateError,
        FabricError,
        GatewayError,
        IdentityError,
        IncompleteChainError,
        PeerError,
        PeersDisagreeError,
        SignatureError,
        SubmitError,
        UnknownIssuerError,
        VerificationError,
    )
    from veilmesh_fabric.events import ChaincodeEvent
    from veilmesh_fabric.failover import Gateways
    from veilmesh_fabric.gateway import Gateway
    from veilmesh_fabric.gateway_address import GatewayAddress
    from veilmesh_fabric.identity import SigningIdentity
    from veilmesh_fabric.proposal import Proposal, SignedProposal
    from veilmesh_fabric.renewal import Renewed
    from veilmesh_fabric.retry import Clock, RetryPolicy, SystemClock
    from veilmesh_fabric.rules import Rule
    from veilmesh_fabric.signing import EcdsaSigner, Ed25519Signer, Signer, verify
    from veilmesh_fabric.tls import TlsClient, TlsPair
    from veilmesh_fabric.transaction import PreparedTransaction, SignedTransaction
    from veilmesh_fabric.verification import ChainVerifier, verify_blocks
    from veilmesh_fabric.verification_pool import PooledChecks
    from veilmesh_fabric.verification_report import VerificationReport

__all__ = [
    "BlockFilesError",
    "BlockFolder",
    "BroadcastError",
    "Cause",
    "ChainVerifier",
    "ChaincodeEvent",
    "ChannelConfig",
    "Checkpoint",
    "CheckpointError",
    "Clock",
    "CommitError",
    "CommitStatus",
    "CommitStatusError",
    "CommitStatusRequest",
    "ConfigInForce",
    "ConfigOvertakenError",
    "ConfigUpdateError",
    "ConfigUpdateRequest",
    "ConsentError",
    "Contract",
    "Deadlines",
    "DecodeError",
    "DeliverError",
    "EcdsaSigner",
    "Ed25519Signer",
    "EndorseError",
    "EndorsedTransaction",
    "EvaluateError",
    "FabricError",
    "Gateway",
    "GatewayAddress",
    "GatewayCalls",
    "GatewayError",
    "Gateways",
    "IdentityError",
    "IncompleteChainError",
    "PeerError",
    "PeersDisagreeError",
    "PooledChecks",
    "Position",
    "PreparedTransaction",
    "Proposal",
    "Renewed",
    "RetryPolicy",
    "Rule",
    "SignatureError",
    "SignedCommitStatusRequest",
    "SignedProposal",
    "SignedTransaction",
    "Signer",
    "SigningIdentity",
    "SubmitError",
    "SubmittedTransaction",
    "SystemClock",
    "TlsClient",
    "TlsPair",
    "UnknownIssuerError",
    "VerificationError",
    "VerificationReport",
    "blocks",
    "certificate_hash",
    "config_in_force",
    "connect",
    "submit_config_update",
    "verify",
    "verify_blocks",
]

_EXPORTS = {
    "block_files": ("BlockFolder",),
    "calls": (
        "Deadlines",
        "GatewayCalls",
    ),
    "causes": ("Cause",),
    "channel_config": ("ChannelConfig",),
    "checkpoint": (
        "Checkpoint",
        "Position",
    ),
    "commit": (
        "CommitStatus",
        "CommitStatusRequest",
        "SignedCommitStatusRequest",
    ),
    "config_history": (
        "ConfigInForce",
        "config_in_force",
    ),
    "config_request": ("ConfigUpdateRequest",),
    "config_submission": ("submit_config_update",),
    "connection": (
        "certificate_hash",
        "connect",
    ),
    "contract": (
        "Contract",
        "EndorsedTransaction",
        "SubmittedTransaction",
    ),
    "deliver": ("blocks",),
    "errors": (
        "BlockFilesError",
        "BroadcastError",
        "CheckpointError",
        "CommitError",
        "CommitStatusError",
        "ConfigOvertakenError",
        "ConfigUpdateError",
        "ConsentError",
        "DecodeError",
        "DeliverError",
        "EndorseError",
        "EvaluateError",
        "FabricError",
        "GatewayError",
        "IdentityError",
        "IncompleteChainError",
        "PeerError",
        "PeersDisagreeError",
        "SignatureError",
        "SubmitError",
        "UnknownIssuerError",
        "VerificationError",
    ),
    "events": ("ChaincodeEvent",),
    "failover": ("Gateways",),
    "gateway": ("Gateway",),
    "gateway_address": ("GatewayAddress",),
    "identity": ("SigningIdentity",),
    "proposal": (
        "Proposal",
        "SignedProposal",
    ),
    "renewal": ("Renewed",),
    "retry": (
        "Clock",
        "RetryPolicy",
        "SystemClock",
    ),
    "rules": ("Rule",),
    "signing": (
        "EcdsaSigner",
        "Ed25519Signer",
        "Signer",
        "verify",
    ),
    "tls": (
        "TlsClient",
        "TlsPair",
    ),
    "transaction": (
        "PreparedTransaction",
        "SignedTransaction",
    ),
    "verification": (
        "ChainVerifier",
        "verify_blocks",
    ),
    "verification_pool": ("PooledChecks",),
    "verification_report": ("VerificationReport",),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
