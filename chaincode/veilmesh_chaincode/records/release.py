"""Proof of what was released: Merkle roots of batches of privacy receipts."""

from typing import Annotated

from pydantic import Field

from veilmesh_chaincode.records.base import Document, MspId, Name, Sha256Hex, TxId


class Anchor(Document):
    merkle_root: Sha256Hex
    leaf_count: int
    msp_id: MspId
    node_id: Name
    tx_id: TxId
    anchored_at_s: int


class Inclusion(Document):
    """The answer to release:Verify."""

    included: bool
    anchor: Anchor


# --- requests ---------------------------------------------------------------------------------------------


class AnchorBatch(Document):
    """release:Anchor, by an active node."""

    merkle_root: Sha256Hex
    leaf_count: Annotated[int, Field(ge=1, le=2**40)]


class MerkleRoot(Document):
    """release:GetAnchor."""

    merkle_root: Sha256Hex


class VerifyInclusion(Document):
    """release:Verify: is this leaf in an anchored batch? `proof` is the audit path of RFC 9162, bottom up."""

    merkle_root: Sha256Hex
    leaf_hash: Sha256Hex
    leaf_index: Annotated[int, Field(ge=0)]
    proof: Annotated[list[Sha256Hex], Field(max_length=64)]
