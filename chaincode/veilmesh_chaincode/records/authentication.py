"""One cross-organisation verification, from the relying node's claim to the deciding node's answer."""

import hashlib
from enum import StrEnum

from veilmesh_chaincode.records.base import (
    Bookmark,
    ChangingRecord,
    Document,
    Limit,
    MspId,
    Name,
    ReferenceId,
    Sha256Hex,
    TxId,
)
from veilmesh_chaincode.records.policy import ExchangeMode


class AuthenticationStatus(StrEnum):
    OPEN = "open"
    CONCLUDED = "concluded"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    MATCH = "match"
    NO_MATCH = "no-match"


class Authentication(ChangingRecord):
    authentication_id: TxId  # the transaction that opened it
    reference_id: ReferenceId
    reference_version: int
    relying_msp_id: MspId
    relying_node_id: Name
    decider_node_id: Name
    purpose: Name
    mode: ExchangeMode
    probe_commitment: Sha256Hex  # HMAC-SHA-256 of the probe under a salt that travels sealed with it
    model_digest: Sha256Hex
    policy_version: int
    challenge: Sha256Hex  # SHA-256 over the transaction id and the probe commitment; bound into the sealing
    status: AuthenticationStatus
    outcome: Outcome | None
    opened_at_s: int
    expires_at_s: int
    concluded_at_s: int | None  # None where open or cancelled


def challenge_of(tx_id: TxId, probe_commitment: Sha256Hex) -> Sha256Hex:
    """Return the challenge that the transaction `tx_id` sets for this probe, and for no other."""
    sealed = b"veilmesh challenge v1" + bytes.fromhex(tx_id) + bytes.fromhex(probe_commitment)
    return hashlib.sha256(sealed).hexdigest()


class OpenAttempt(Document):
    authentication_id: TxId
    expires_at_s: int


class Attempts(ChangingRecord):
    """What one relying organisation did with one reference; another organisation's limits are its own."""

    reference_id: ReferenceId
    relying_msp_id: MspId
    failures_at_s: list[int]  # within the policy's window, oldest first
    open: list[OpenAttempt]
    locked_until_s: int  # 0 where not locked


# --- requests ---------------------------------------------------------------------------------------------


class OpenAuthentication(Document):
    """authentication:Open, by an active node with role relying."""

    reference_id: ReferenceId
    purpose: Name
    mode: ExchangeMode
    probe_commitment: Sha256Hex
    model_digest: Sha256Hex


class ConcludeAuthentication(Document):
    """authentication:Conclude, by the node named to decide."""

    authentication_id: TxId
    outcome: Outcome


class AuthenticationId(Document):
    """authentication:Cancel and authentication:Get."""

    authentication_id: TxId


class ListAuthentications(Document):
    """authentication:List, the authentications of one reference in order of id."""

    reference_id: ReferenceId
    limit: Limit = 100
    bookmark: Bookmark = ""


class AttemptsKey(Document):
    """authentication:Attempts."""

    reference_id: ReferenceId
    relying_msp_id: MspId
