"""What an auditor asks, and the record of having asked."""

from typing import Annotated, ClassVar

from pydantic import Field

from veilmesh_chaincode.records.authentication import Authentication
from veilmesh_chaincode.records.base import (
    Bookmark,
    Document,
    Limit,
    MspId,
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
