"""What an auditor asks, and the records of who asked: an auditor, or a node that searched for a face."""

from typing import Annotated, ClassVar

from pydantic import Field

from veilmesh_chaincode.records.authentication import Authentication
from veilmesh_chaincode.records.base import (
    Bookmark,
    Document,
    Limit,
    MspId,
    Name,
    ReferenceId,
    Sha256Hex,
    Text,
    TxId,
)
from veilmesh_chaincode.records.enrolment import HistoryEntry
from veilmesh_chaincode.records.pages import MAX_PAGE_BYTES


class Trail(Document):
    """All that happened to one reference, in pages: its states, newest first, then its authentications."""

    max_bytes: ClassVar[int] = 4 * MAX_PAGE_BYTES

    reference_id: ReferenceId
    history: list[HistoryEntry]
    authentications: list[Authentication]
    bookmark: Bookmark


class Statistics(Document):
    """How many records of each kind and status were met in one page of the count; pages add up."""

    counts: dict[str, int]  # "authentication.no-match", "reference.active", ...
    bookmark: Bookmark


class AccessLogEntry(Document):
    tx_id: TxId
    msp_id: MspId
    identity_sha256: Sha256Hex
    question: Text
    at_s: int


class SearchLogEntry(Document):
    """A search of one picture's faces among all references of the owner's node (1:N).

    What was found is nobody's but the owner's; that it was searched for, when and how widely, is here.
    """

    tx_id: TxId
    msp_id: MspId
    node_id: Name
    purpose: Name
    model_digest: Sha256Hex
    policy_version: int
    picture_commitment: Sha256Hex  # HMAC-SHA-256 of the picture's digest; the salt is its holder's
    face_count: int
    gallery_count: int
    match_count: int
    at_s: int


# --- requests ---------------------------------------------------------------------------------------------


class GetTrail(Document):
    """audit:Trail, for auditors and the reference's owner."""

    reference_id: ReferenceId
    limit: Limit = 100
    bookmark: Bookmark = ""


class GetStatistics(Document):
    """audit:Statistics."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000  # records counted
    bookmark: Bookmark = ""


class LogAccess(Document):
    """audit:LogAccess: an auditor's own question, put on record."""

    question: Text


Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class LogSearch(Document):
    """audit:LogSearch, by an active node with role owner, before it answers."""

    purpose: Name
    model_digest: Sha256Hex
    picture_commitment: Sha256Hex
    face_count: Count
    gallery_count: Count
    match_count: Count  # faces that were found; at most face_count
