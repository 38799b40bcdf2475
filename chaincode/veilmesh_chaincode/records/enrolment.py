"""Biometric references as the ledger knows them: pseudonyms and commitments, never a face or a feature."""

from enum import StrEnum

from veilmesh_chaincode.records.base import (
    Bookmark,
    ChangingRecord,
    ContentId,
    Document,
    Limit,
    MspId,
    Name,
    ReferenceId,
    Sha256Hex,
    TxId,
)


class ReferenceStatus(StrEnum):
    ACTIVE = "active"
    REVOKED = "revoked"
    ERASED = "erased"


class RevocationReason(StrEnum):
    WITHDRAWN_CONSENT = "withdrawn-consent"
    COMPROMISED = "compromised"
    SUPERSEDED = "superseded"
    UNSPECIFIED = "unspecified"


class Renewal(StrEnum):
    """What the owner's node says about the template that an update replaced."""

    COMPARED = "compared"  # the new photos matched it
    REPLACED = "replaced"  # it was set aside uncompared, by an operator's word


class Reference(ChangingRecord):
    reference_id: ReferenceId  # random, drawn by the owner's node
    owner_msp_id: MspId
    owner_node_id: Name
    version: int  # 1 at enrolment; + 1 with every update
    status: ReferenceStatus
    template_commitment: Sha256Hex  # HMAC-SHA-256 of the template under a salt kept in the owner's vault
    surrogate_cid: ContentId
    anonymizer: Name
    receipt_sha256: Sha256Hex  # the privacy receipt of the surrogate image
    consent_sha256: Sha256Hex  # HMAC-SHA-256 of the consent document under the same salt
    model_digest: Sha256Hex
    policy_version: int
    shared_with: list[MspId]
    revocation_reason: RevocationReason | None
    renewal: Renewal | None = None  # of the last update; None before the first
    expires_at_s: int
    created_at_s: int


class Countersign(Document):
    """The consortium's side of a reference: which record its endorsement policy let pass.

    Fabric lets a key's own endorsement policy take the place of the chaincode's, so the owner's peer alone
    could write its reference's key, past every rule. This record lies under the chaincode's policy and is
    written with every change; a reference that differs from it is refused.
    """

    reference_id: ReferenceId
    status: ReferenceStatus
    record_sha256: Sha256Hex


class HistoryEntry(Document):
    """One committed state of a reference."""

    tx_id: TxId
    at_s: int
    reference: Reference


# --- requests ---------------------------------------------------------------------------------------------


class RegisterReference(Document):
    """enrolment:Register, by an active node with role owner."""

    reference_id: ReferenceId
    template_commitment: Sha256Hex
    surrogate_cid: ContentId
    anonymizer: Name
    receipt_sha256: Sha256Hex
    consent_sha256: Sha256Hex
    model_digest: Sha256Hex
    expires_at_s: int


class UpdateReference(Document):
    """enrolment:Update; `version` is the version being replaced."""

    reference_id: ReferenceId
    version: int
    renewal: Renewal
    template_commitment: Sha256Hex
    surrogate_cid: ContentId
    anonymizer: Name
    receipt_sha256: Sha256Hex
    consent_sha256: Sha256Hex
    model_digest: Sha256Hex
    expires_at_s: int


class RevokeReference(Document):
    """enrolment:Revoke."""

    reference_id: ReferenceId
    reason: RevocationReason


class ReferenceKey(Document):
    """enrolment:Erase and enrolment:Get."""

    reference_id: ReferenceId


class GetHistory(Document):
    """enrolment:History, newest first."""

    reference_id: ReferenceId
    limit: Limit = 100
    bookmark: Bookmark = ""


class ShareReference(Document):
    """enrolment:Share: let another member's nodes hold the template."""

    reference_id: ReferenceId
    msp_id: MspId


class ListReferences(Document):
    """enrolment:List, one organisation's references in order of id."""

    owner_msp_id: MspId
    limit: Limit = 100
    bookmark: Bookmark = ""
