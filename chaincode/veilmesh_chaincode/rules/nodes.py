"""A node's life: registered by itself, approved by a majority, suspended, retired.

pending --majority--> active --own operator, or majority of the others--> suspended
   ^                    |                                                    |
   +---- registers again, with new keys or the same -------------------------+
any --own operator--> retired, for good
"""

from veilmesh_chaincode.records.base import MspId, Name
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Consortium, Node, NodeRole, NodeStatus, RegisterNode
from veilmesh_chaincode.rules import votes
from veilmesh_chaincode.stub import Creator


def register(
    request: RegisterNode,
    creator: Creator,
    *,
    existing: Node | None,
    identity_speaks_for: Name | None,
    consortium: Consortium,
    now_s: int,
) -> Node:
    """Enter a node under the identity that signed the proposal, pending until it is approved.

    Args:
        request: what the node publishes.
        creator: the node's own identity.
        existing: the node registered under this id before.
        identity_speaks_for: the node registered with this identity before.
        consortium: as it is now.
        now_s: the transaction's time.

    Raises:
        Refusal: ALREADY_EXISTS, the id or the identity is another node's, or the node is retired.
    """
    if identity_speaks_for not in (None, request.node_id):
        raise Refusal(
            RefusalCode.ALREADY_EXISTS, f"this identity is registered as node {identity_speaks_for}"
        )
    if existing is not None and existing.msp_id != creator.msp_id:
        raise Refusal(RefusalCode.ALREADY_EXISTS, f"node {request.node_id} belongs to {existing.msp_id}")
    if existing is not None and existing.status is NodeStatus.RETIRED:
        raise Refusal(RefusalCode.ALREADY_EXISTS, f"node {request.node_id} is retired, its id used up")
    return Node(
        **dict(request),
        msp_id=creator.msp_id,
        identity_sha256=creator.identity_sha256,
        status=NodeStatus.PENDING,
        approvals=[],
        suspension_votes=[],
        consortium_version=consortium.version,
        registered_at_s=now_s if existing is None else existing.registered_at_s,
        updated_at_s=now_s,
    )


def approve(node: Node, voter: MspId, *, consortium: Consortium, now_s: int) -> Node:
    """Cast one member's vote for a pending node; a majority makes it active.

    Raises:
        Refusal: STALE_PROPOSAL, it is active already; NODE_NOT_ACTIVE, it must register again or cannot;
            NOT_A_MEMBER, its organisation has left; ALREADY_VOTED.
    """
    if node.status is NodeStatus.ACTIVE:
        raise Refusal(RefusalCode.STALE_PROPOSAL, f"node {node.node_id} is active already")
    if node.status is not NodeStatus.PENDING:
        raise Refusal(RefusalCode.NODE_NOT_ACTIVE, f"node {node.node_id} is {node.status}")
    if node.msp_id not in consortium.members:
        raise Refusal(RefusalCode.NOT_A_MEMBER, f"{node.msp_id} is not a member")
    tally = votes.cast(voter, node.approvals, cast_under=node.consortium_version, consortium=consortium)
    return node.replace(
        status=NodeStatus.ACTIVE if tally.carried else NodeStatus.PENDING,
        approvals=tally.votes,
        consortium_version=consortium.version,
        updated_at_s=now_s,
    )


def suspend(node: Node, voter: MspId, *, consortium: Consortium, now_s: int) -> Node:
    """Stop a node: its own organisation at once, the other members by a majority among themselves.

    Raises:
        Refusal: NODE_NOT_ACTIVE, it is suspended or retired already; ALREADY_VOTED.
    """
    if node.status not in (NodeStatus.ACTIVE, NodeStatus.PENDING):
        raise Refusal(RefusalCode.NODE_NOT_ACTIVE, f"node {node.node_id} is {node.status}")
    if voter == node.msp_id:
        return _stopped(node, NodeStatus.SUSPENDED, now_s)
    tally = votes.cast(
        voter,
        node.suspension_votes,
        cast_under=node.consortium_version,
        consortium=consortium,
        abstaining=node.msp_id,
    )
    if tally.carried:
        return _stopped(node, NodeStatus.SUSPENDED, now_s)
    return node.replace(
        approvals=votes.standing(node.approvals, node.consortium_version, consortium),
        suspension_votes=tally.votes,
        consortium_version=consortium.version,
        updated_at_s=now_s,
    )


def retire(node: Node, msp_id: MspId, *, now_s: int) -> Node:
    """Take a node out of service for good.

    Raises:
        Refusal: NOT_OWNER, it is another organisation's; NODE_NOT_ACTIVE, it is retired already.
    """
    if node.msp_id != msp_id:
        raise Refusal(RefusalCode.NOT_OWNER, f"node {node.node_id} belongs to {node.msp_id}")
    if node.status is NodeStatus.RETIRED:
        raise Refusal(RefusalCode.NODE_NOT_ACTIVE, f"node {node.node_id} is retired")
    return _stopped(node, NodeStatus.RETIRED, now_s)


def acting(node: Node | None, creator: Creator, role: NodeRole | None = None) -> Node:
    """Return the caller's node, if it may act.

    Raises:
        Refusal: NODE_NOT_ACTIVE, ROLE_MISSING.
    """
    if node is None or node.msp_id != creator.msp_id:
        raise Refusal(
            RefusalCode.NODE_NOT_ACTIVE, f"no node of {creator.msp_id} is registered with this identity"
        )
    check_active(node, role)
    return node


def check_active(node: Node, role: NodeRole | None = None) -> None:
    """Refuse a node that is not active, or lacks the role (None: any role does).

    Raises:
        Refusal: NODE_NOT_ACTIVE, ROLE_MISSING.
    """
    if node.status is not NodeStatus.ACTIVE:
        raise Refusal(RefusalCode.NODE_NOT_ACTIVE, f"node {node.node_id} is {node.status}")
    if role is not None and role not in node.roles:
        raise Refusal(RefusalCode.ROLE_MISSING, f"node {node.node_id} lacks the role {role}")


def _stopped(node: Node, status: NodeStatus, now_s: int) -> Node:
    return node.replace(status=status, approvals=[], suspension_votes=[], updated_at_s=now_s)
