"""Searches for a face among many references (1:N): allowed by the policy, and on record before the answer."""

from veilmesh_chaincode.records.audit import LogSearch, SearchLogEntry
from veilmesh_chaincode.records.base import TxId
from veilmesh_chaincode.records.policy import Policy
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Model, Node
from veilmesh_chaincode.rules import models


def log(
    request: LogSearch, tx_id: TxId, *, node: Node, model: Model | None, policy: Policy, now_s: int
) -> SearchLogEntry:
    """Put a search on record.

    Raises:
        Refusal: MALFORMED, more faces were found than were searched for; MODEL_NOT_APPROVED,
            PURPOSE_NOT_ALLOWED.
    """
    if request.match_count > request.face_count:
        raise Refusal(
            RefusalCode.MALFORMED,
            f"{request.match_count} of {request.face_count} faces cannot have been found",
        )
    models.check_approved(model, request.model_digest)
    if request.purpose not in policy.terms.purposes:
        raise Refusal(
            RefusalCode.PURPOSE_NOT_ALLOWED,
            f"purpose {request.purpose} is not in policy version {policy.version}",
        )
    return SearchLogEntry(
        **dict(request),
        tx_id=tx_id,
        msp_id=node.msp_id,
        node_id=node.node_id,
        policy_version=policy.version,
        at_s=now_s,
    )
