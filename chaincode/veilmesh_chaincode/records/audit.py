"""What an auditor asks, and the record of having asked."""

from typing import Annotated

from pydantic import Field

from veilmesh_chaincode.records.authentication import Authentication
from veilmesh_chaincode.records.base import Document, MspId, ReferenceId, Sha256Hex, Text, TxId
from veilmesh_chaincode.records.enrolment import HistoryEntry


class Trail(Document):
    """All that happened to one reference."""

    reference_id: ReferenceId
    history: list[HistoryEntry]
    authentications: list[Authentication]
    bookmark: str


class Statistics(Document):
    """Counts over the whole ledger, or of one organisation's doing; one page of the count at a time."""

    counts: dict[str, int]
    bookmark: str


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
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    bookmark: str = ""


class GetStatistics(Document):
    """audit:Statistics."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    bookmark: str = ""


class LogAccess(Document):
    """audit:LogAccess: an auditor's own question, put on record."""

    question: Text
