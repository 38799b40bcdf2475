"""What the consortium agreed: one versioned policy, changed by majority vote."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from veilmesh_chaincode.records.base import ChangingRecord, Distinct, Document, MspId, Name, TxId


class ExchangeMode(StrEnum):
    SEALED = "sealed"  # the probe is sealed to the owner's node, which decides
    ENCRYPTED = "encrypted"  # compared under homomorphic encryption


class GateLevel(StrEnum):
    STANDARD = "standard"
    STRICT = "strict"


Seconds = Annotated[int, Field(ge=1, le=10 * 366 * 24 * 3600)]


class Terms(Document):
    """The body of a policy."""

    threshold_micro: Annotated[
        int, Field(ge=1, le=4_000_000)
    ]  # Euclidean dissimilarity x 1e6; match at or below
    purposes: Annotated[list[Name], Field(min_length=1, max_length=64), Distinct]
    exchange_modes: Annotated[list[ExchangeMode], Field(min_length=1, max_length=2), Distinct]
    anonymizers: Annotated[list[Name], Field(min_length=1, max_length=32), Distinct]
    gate_level: GateLevel
    attempt_limit: Annotated[
        int, Field(ge=1, le=100)
    ]  # failures to lock-out, per reference and relying organisation
    attempt_window_s: Seconds  # failures older than this no longer count
    lock_out_s: Seconds
    authentication_expiry_s: Seconds
    reference_retention_s: Seconds  # the longest life a reference may be given at enrolment or update


class Policy(Document):
    version: int
    terms: Terms
    proposal_id: TxId
    approvals: list[MspId]
    in_force_at_s: int


class CurrentPolicy(ChangingRecord):
    """Which policy is in force."""

    version: int


class ProposalStatus(StrEnum):
    OPEN = "open"
    ADOPTED = "adopted"
    REJECTED = "rejected"


class PolicyProposal(ChangingRecord):
    proposal_id: TxId
    base_version: int  # 0 where there is no policy yet
    terms: Terms
    proposer: MspId
    approvals: list[MspId]
    rejections: list[MspId]
    consortium_version: int  # under which the votes were last counted
    status: ProposalStatus
    opened_at_s: int


# --- requests ---------------------------------------------------------------------------------------------


class ProposePolicy(Document):
    """policy:Propose, by an operator; counts as the proposer's vote."""

    base_version: int
    terms: Terms


class VotePolicy(Document):
    """policy:Vote, by an operator, one vote an organisation."""

    proposal_id: TxId
    approve: bool


class ProposalId(Document):
    """policy:GetProposal."""

    proposal_id: TxId
