"""Orders to undo an anonymization: who asks on whose authority, who consents, what became of it.

A permuted picture can be undone with its key. The owner seals that key to one node, the *keeper*; the ledger
holds digests of the order, the picture and the sealed key, never the key, and nothing of the picture.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from veilmesh_chaincode.records.base import (
    ChangingRecord,
    Document,
    MspId,
    Name,
    ReferenceId,
    Sha256Hex,
    Text,
    TxId,
)

ValidFor = Annotated[int, Field(ge=60, le=90 * 24 * 3600)]  # seconds


class UnsealingStatus(StrEnum):
    """How far it came; one past its `expires_at_s` stays as it is, and nothing can be done with it."""

    REQUESTED = "requested"
    GRANTED = "granted"
    FULFILLED = "fulfilled"
    REFUSED = "refused"


class UnsealingCase(Document):
    """What is to be unsealed, and why.

    The texts are public in the consortium and stay for good: they name courts and grounds, not people.
    """

    output_sha256: Sha256Hex  # of the released picture's file
    sealed_key_sha256: Sha256Hex  # of the file that holds its sealed key
    receipt_sha256: Sha256Hex | None  # of its privacy receipt, where it has one
    reference_id: ReferenceId | None  # whom it shows, where that is enrolled
    order_sha256: Sha256Hex  # of the document that orders it
    authority: Text  # who ordered it: a court, and its file number
    purpose: Text
    keeper_node_id: Name
    keeper_key_sha256: Sha256Hex  # of the public key that the picture's key is sealed to


class Unsealing(UnsealingCase, ChangingRecord):
    unsealing_id: TxId  # the transaction that asked for it
    requester: MspId
    keeper_msp_id: MspId
    consents: list[MspId]  # the requester's among them
    consortium_version: int  # under which the consents were last counted
    status: UnsealingStatus
    requested_at_s: int
    expires_at_s: int


# --- requests ---------------------------------------------------------------------------------------------


class RequestUnsealing(UnsealingCase):
    """release:Unseal, by an operator; counts as the organisation's consent."""

    valid_for_s: ValidFor


class UnsealingId(Document):
    """release:ConsentUnsealing, RefuseUnsealing, FulfilUnsealing and GetUnsealing."""

    unsealing_id: TxId
