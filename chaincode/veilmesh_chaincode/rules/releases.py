"""Anchored batches of privacy receipts."""

from veilmesh_chaincode.records import merkle
from veilmesh_chaincode.records.base import TxId
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Node
from veilmesh_chaincode.records.release import Anchor, AnchorBatch, VerifyInclusion


def anchor(request: AnchorBatch, tx_id: TxId, *, node: Node, existing: Anchor | None, now_s: int) -> Anchor:
    """Put a batch's Merkle root on record.

    Raises:
        Refusal: ALREADY_EXISTS.
    """
    if existing is not None:
        raise Refusal(
            RefusalCode.ALREADY_EXISTS, f"root {request.merkle_root} was anchored in {existing.tx_id}"
        )
    return Anchor(**dict(request), msp_id=node.msp_id, node_id=node.node_id, tx_id=tx_id, anchored_at_s=now_s)


def is_included(request: VerifyInclusion, anchored: Anchor) -> bool:
    """Tell whether the leaf is in the anchored batch, by hashing the path anew."""
    return merkle.verify_inclusion(
        bytes.fromhex(request.leaf_hash),
        request.leaf_index,
        anchored.leaf_count,
        [bytes.fromhex(sibling) for sibling in request.proof],
        bytes.fromhex(anchored.merkle_root),
    )
