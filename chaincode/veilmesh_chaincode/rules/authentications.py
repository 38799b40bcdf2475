"""An authentication's life: opened by a relying node, concluded once by the node named, or cancelled.

open --Conclude, in time, by the decider--> concluded
  |---Cancel, by the relying organisation--> cancelled
  +---its time runs out: nothing can be done with it any more
"""

from dataclasses import dataclass

from veilmesh_chaincode.records.authentication import (
    Attempts,
    Authentication,
    AuthenticationStatus,
    OpenAttempt,
    OpenAuthentication,
    Outcome,
    challenge_of,
)
from veilmesh_chaincode.records.base import MspId, TxId
from veilmesh_chaincode.records.enrolment import Reference
from veilmesh_chaincode.records.policy import Policy
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Consortium, Model, Node, NodeRole
from veilmesh_chaincode.rules import attempts as attempt_rules
from veilmesh_chaincode.rules import models, nodes, references


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction leaves behind."""

    authentication: Authentication
    attempts: Attempts


def open_(
    request: OpenAuthentication,
    tx_id: TxId,
    *,
    relying: Node,
    reference: Reference,
    decider: Node,
    model: Model | None,
    policy: Policy,
    attempts: Attempts | None,
    consortium: Consortium,
    now_s: int,
) -> Step:
    """Open an authentication of a probe against a reference.

    Args:
        request: the claim, with a commitment to the probe.
        tx_id: the transaction; names the authentication and makes its challenge.
        relying: the acting node.
        reference: what the probe is to be compared with.
        decider: the node that holds the reference's template.
        model: the one the request cites.
        policy: the one in force.
        attempts: the relying organisation's record with this reference; None for a first attempt.
        consortium: as it is now.
        now_s: the transaction's time.

    Raises:
        Refusal: REFERENCE_NOT_ACTIVE, REFERENCE_EXPIRED, NOT_A_MEMBER, NODE_NOT_ACTIVE, ROLE_MISSING,
            PURPOSE_NOT_ALLOWED, METHOD_NOT_ALLOWED, MODEL_MISMATCH, MODEL_NOT_APPROVED, LOCKED_OUT,
            ATTEMPTS_EXHAUSTED.
    """
    references.check_usable(reference, now_s)
    _check_member(reference.owner_msp_id, consortium)
    nodes.check_active(decider, NodeRole.DECIDER)
    _check_terms(request, policy)
    if request.model_digest != reference.model_digest:
        raise Refusal(
            RefusalCode.MODEL_MISMATCH,
            f"reference {reference.reference_id} was made by model {reference.model_digest}",
        )
    models.check_approved(model, request.model_digest)
    expires_at_s = min(now_s + policy.terms.authentication_expiry_s, reference.expires_at_s)
    before = attempts or attempt_rules.none_yet(reference.reference_id, relying.msp_id, now_s)
    attempt = OpenAttempt(authentication_id=tx_id, expires_at_s=expires_at_s)
    authentication = Authentication(
        **dict(request),
        authentication_id=tx_id,
        reference_version=reference.version,
        relying_msp_id=relying.msp_id,
        relying_node_id=relying.node_id,
        decider_node_id=decider.node_id,
        policy_version=policy.version,
        challenge=challenge_of(tx_id, request.probe_commitment),
        status=AuthenticationStatus.OPEN,
        outcome=None,
        opened_at_s=now_s,
        expires_at_s=expires_at_s,
        concluded_at_s=None,
        updated_at_s=now_s,
    )
    return Step(authentication, attempt_rules.begin(before, attempt, policy.terms, now_s))


def conclude(
    authentication: Authentication,
    outcome: Outcome,
    *,
    decider: Node,
    relying: Node,
    reference: Reference,
    policy: Policy,
    attempts: Attempts,
    consortium: Consortium,
    now_s: int,
) -> Step:
    """Enter the decision: once, in time, by the node named, about the reference as it was.

    Nothing is decided for a node that was suspended meanwhile, or whose organisation has left.

    Args:
        authentication: the one to conclude.
        outcome: the decision.
        decider: the acting node.
        relying: the node that opened the authentication.
        reference: as it is now.
        policy: the one in force now; its limits count.
        attempts: the relying organisation's record with the reference.
        consortium: as it is now.
        now_s: the transaction's time.

    Raises:
        Refusal: NOT_DECIDER, ALREADY_CONCLUDED, AUTHENTICATION_EXPIRED, NOT_A_MEMBER, NODE_NOT_ACTIVE,
            ROLE_MISSING, REFERENCE_NOT_ACTIVE, REFERENCE_EXPIRED, VERSION_CONFLICT.
    """
    if decider.node_id != authentication.decider_node_id:
        raise Refusal(
            RefusalCode.NOT_DECIDER,
            f"authentication {authentication.authentication_id} is for another node to decide: "
            f"{authentication.decider_node_id}",
        )
    _check_open(authentication, now_s)
    _check_member(relying.msp_id, consortium)
    nodes.check_active(relying, NodeRole.RELYING)
    references.check_usable(reference, now_s)
    if reference.version != authentication.reference_version:
        raise Refusal(
            RefusalCode.VERSION_CONFLICT,
            f"reference {reference.reference_id} is at version {reference.version}; the authentication is "
            f"about version {authentication.reference_version}",
        )
    count = attempt_rules.succeed if outcome is Outcome.MATCH else attempt_rules.fail
    return Step(
        authentication.replace(
            status=AuthenticationStatus.CONCLUDED,
            outcome=outcome,
            concluded_at_s=now_s,
            updated_at_s=now_s,
        ),
        count(attempts, authentication.authentication_id, policy.terms, now_s),
    )


def cancel(authentication: Authentication, *, node: Node, attempts: Attempts, now_s: int) -> Step:
    """Give an open authentication up, by any acting node of the organisation that opened it.

    Raises:
        Refusal: NOT_OWNER, ALREADY_CONCLUDED, AUTHENTICATION_EXPIRED.
    """
    if node.msp_id != authentication.relying_msp_id:
        raise Refusal(
            RefusalCode.NOT_OWNER,
            f"authentication {authentication.authentication_id} belongs to {authentication.relying_msp_id}",
        )
    _check_open(authentication, now_s)
    return Step(
        authentication.replace(status=AuthenticationStatus.CANCELLED, updated_at_s=now_s),
        attempt_rules.withdraw(attempts, authentication.authentication_id, now_s),
    )


def _check_member(msp_id: MspId, consortium: Consortium) -> None:
    if msp_id not in consortium.members:
        raise Refusal(RefusalCode.NOT_A_MEMBER, f"{msp_id} is not a member any more")


def _check_terms(request: OpenAuthentication, policy: Policy) -> None:
    if request.purpose not in policy.terms.purposes:
        raise Refusal(
            RefusalCode.PURPOSE_NOT_ALLOWED,
            f"purpose {request.purpose} is not in policy version {policy.version}",
        )
    if request.mode not in policy.terms.exchange_modes:
        raise Refusal(
            RefusalCode.METHOD_NOT_ALLOWED,
            f"exchange mode {request.mode} is not in policy version {policy.version}",
        )


def _check_open(authentication: Authentication, now_s: int) -> None:
    if authentication.status is not AuthenticationStatus.OPEN:
        raise Refusal(
            RefusalCode.ALREADY_CONCLUDED,
            f"authentication {authentication.authentication_id} is {authentication.status}",
        )
    if now_s >= authentication.expires_at_s:
        raise Refusal(
            RefusalCode.AUTHENTICATION_EXPIRED,
            f"authentication {authentication.authentication_id} expired "
            f"{now_s - authentication.expires_at_s} s ago",
        )
