"""A reference's life, in its owner's hands alone.

    (none) --register--> active --revoke--> revoked --erase--> erased
                          |  ^                                   ^
                          |  +-- update: next version            |
                          +------------------erase---------------+

Erased is final: the record stays as a tombstone, and its commitments mean nothing once the owner's node has
destroyed their salt. An expired reference is still active in name: it is not verified against, and its owner
may update, revoke or erase it.
"""

import hashlib

from veilmesh_chaincode.records.base import MspId
from veilmesh_chaincode.records.enrolment import (
    Countersign,
    Reference,
    ReferenceStatus,
    RegisterReference,
    RevocationReason,
    UpdateReference,
)
from veilmesh_chaincode.records.policy import Policy
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Consortium, Model, Node
from veilmesh_chaincode.rules import models


def register(
    request: RegisterReference,
    *,
    node: Node,
    existing: Reference | None,
    model: Model | None,
    policy: Policy,
    now_s: int,
) -> Reference:
    """Enter a reference, owned by the organisation of the acting node.

    Raises:
        Refusal: ALREADY_EXISTS, MODEL_NOT_APPROVED, METHOD_NOT_ALLOWED, REFERENCE_EXPIRED,
            RETENTION_EXCEEDED.
    """
    if existing is not None:
        raise Refusal(RefusalCode.ALREADY_EXISTS, f"reference {request.reference_id} exists")
    _check_content(request, model=model, policy=policy, now_s=now_s)
    return Reference(
        **dict(request),
        owner_msp_id=node.msp_id,
        owner_node_id=node.node_id,
        version=1,
        status=ReferenceStatus.ACTIVE,
        policy_version=policy.version,
        shared_with=[],
        revocation_reason=None,
        created_at_s=now_s,
        updated_at_s=now_s,
    )


def update(
    request: UpdateReference,
    *,
    node: Node,
    reference: Reference,
    model: Model | None,
    policy: Policy,
    now_s: int,
) -> Reference:
    """Replace what is enrolled. The acting node holds the new template, so it decides from now on.

    Raises:
        Refusal: NOT_OWNER, REFERENCE_NOT_ACTIVE, VERSION_CONFLICT, and those of `register`.
    """
    _check_owner(reference, node)
    _check_status(reference, ReferenceStatus.ACTIVE)
    if request.version != reference.version:
        raise Refusal(
            RefusalCode.VERSION_CONFLICT,
            f"reference {reference.reference_id} is at version {reference.version}, not {request.version}",
        )
    _check_content(request, model=model, policy=policy, now_s=now_s)
    return reference.replace(
        **{**dict(request), "version": reference.version + 1},
        owner_node_id=node.node_id,
        policy_version=policy.version,
        updated_at_s=now_s,
    )


def revoke(reference: Reference, reason: RevocationReason, *, node: Node, now_s: int) -> Reference:
    """End a reference's use.

    Raises:
        Refusal: NOT_OWNER, REFERENCE_NOT_ACTIVE.
    """
    _check_owner(reference, node)
    _check_status(reference, ReferenceStatus.ACTIVE)
    return reference.replace(status=ReferenceStatus.REVOKED, revocation_reason=reason, updated_at_s=now_s)


def erase(reference: Reference, *, node: Node, now_s: int) -> Reference:
    """Leave a tombstone.

    Raises:
        Refusal: NOT_OWNER; REFERENCE_NOT_ACTIVE, it is erased already.
    """
    _check_owner(reference, node)
    _check_status(reference, ReferenceStatus.ACTIVE, ReferenceStatus.REVOKED)
    return reference.replace(status=ReferenceStatus.ERASED, updated_at_s=now_s)


def share(
    reference: Reference, msp_id: MspId, *, node: Node, consortium: Consortium, now_s: int
) -> Reference:
    """Let another member's nodes hold the template.

    Raises:
        Refusal: NOT_OWNER, REFERENCE_NOT_ACTIVE, REFERENCE_EXPIRED, NOT_A_MEMBER; ALREADY_EXISTS, it is
            shared with that organisation or belongs to it.
    """
    _check_owner(reference, node)
    check_usable(reference, now_s)
    if msp_id not in consortium.members:
        raise Refusal(RefusalCode.NOT_A_MEMBER, f"{msp_id} is not a member")
    if msp_id == reference.owner_msp_id or msp_id in reference.shared_with:
        raise Refusal(
            RefusalCode.ALREADY_EXISTS, f"{msp_id} may hold reference {reference.reference_id} already"
        )
    return reference.replace(shared_with=[*reference.shared_with, msp_id], updated_at_s=now_s)


def countersign(reference: Reference) -> Countersign:
    """Return the consortium's record of this very state of a reference."""
    return Countersign(
        reference_id=reference.reference_id,
        status=reference.status,
        record_sha256=hashlib.sha256(reference.to_bytes()).hexdigest(),
    )


def check_countersigned(reference: Reference, countersigned: Countersign | None) -> None:
    """Refuse a reference that its owner's peer wrote on its own.

    Raises:
        Refusal: NOT_COUNTERSIGNED.
    """
    if countersigned != countersign(reference):
        raise Refusal(
            RefusalCode.NOT_COUNTERSIGNED,
            f"reference {reference.reference_id} is not as the consortium's members endorsed it",
        )


def check_usable(reference: Reference, now_s: int) -> None:
    """Refuse a reference that nothing may be verified against.

    Raises:
        Refusal: REFERENCE_NOT_ACTIVE, REFERENCE_EXPIRED.
    """
    _check_status(reference, ReferenceStatus.ACTIVE)
    if now_s >= reference.expires_at_s:
        raise Refusal(
            RefusalCode.REFERENCE_EXPIRED,
            f"reference {reference.reference_id} expired {now_s - reference.expires_at_s} s ago",
        )


def _check_owner(reference: Reference, node: Node) -> None:
    if reference.owner_msp_id != node.msp_id:
        raise Refusal(
            RefusalCode.NOT_OWNER, f"reference {reference.reference_id} belongs to {reference.owner_msp_id}"
        )


def _check_status(reference: Reference, *allowed: ReferenceStatus) -> None:
    if reference.status not in allowed:
        raise Refusal(
            RefusalCode.REFERENCE_NOT_ACTIVE, f"reference {reference.reference_id} is {reference.status}"
        )


def _check_content(
    request: RegisterReference | UpdateReference, *, model: Model | None, policy: Policy, now_s: int
) -> None:
    models.check_approved(model, request.model_digest)
    if request.anonymizer not in policy.terms.anonymizers:
        raise Refusal(
            RefusalCode.METHOD_NOT_ALLOWED,
            f"anonymizer {request.anonymizer} is not in policy version {policy.version}",
        )
    if request.expires_at_s <= now_s:
        raise Refusal(RefusalCode.REFERENCE_EXPIRED, "the reference would be expired from the start")
    if request.expires_at_s > now_s + policy.terms.reference_retention_s:
        raise Refusal(
            RefusalCode.RETENTION_EXCEEDED,
            f"the reference would live {request.expires_at_s - now_s} s; policy version {policy.version} "
            f"allows {policy.terms.reference_retention_s} s",
        )
