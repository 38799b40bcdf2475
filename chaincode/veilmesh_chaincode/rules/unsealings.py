"""An unsealing's life: asked for by one organisation, granted by two, done or refused by the keeper.

requested --consent of a second member--> granted --the keeper's node, in time--> fulfilled
    |                                        |
    +------- the keeper's operator ----------+--> refused
    +---its time runs out: nothing can be done with it any more

Why two, and which: no organisation alone may undo an anonymization, not even the one that keeps the key, so
one consent must come from another member. A third is not asked for, or two members could never carry out an
order that binds both. Whoever files the order consents by filing it. The keeper may be one of the two; where
it is not, it still has to act, and its refusal stands on record like its deed.
"""

import hashlib

from veilmesh_chaincode.records.base import MspId, TxId
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Consortium, Node
from veilmesh_chaincode.records.unsealing import RequestUnsealing, Unsealing, UnsealingStatus
from veilmesh_chaincode.rules import nodes, votes

CONSENTS_NEEDED = 2


def request(
    request: RequestUnsealing,
    requester: MspId,
    tx_id: TxId,
    *,
    keeper: Node,
    consortium: Consortium,
    now_s: int,
) -> Unsealing:
    """Put an order on record, with the requester's consent.

    Args:
        request: the order, the picture and the sealed key, by their digests.
        requester: a current member.
        tx_id: the transaction; names the unsealing.
        keeper: the node that the key is sealed to.
        consortium: as it is now.
        now_s: the transaction's time.

    Raises:
        Refusal: NODE_NOT_ACTIVE, NOT_A_MEMBER, the keeper cannot act; KEY_MISMATCH, the keeper has another
            sealing key by now.
    """
    nodes.check_active(keeper)
    if keeper.msp_id not in consortium.members:
        raise Refusal(RefusalCode.NOT_A_MEMBER, f"{keeper.msp_id} is not a member any more")
    key_sha256 = hashlib.sha256(bytes.fromhex(keeper.sealing_public_key)).hexdigest()
    if request.keeper_key_sha256 != key_sha256:
        raise Refusal(
            RefusalCode.KEY_MISMATCH, f"the sealing key of node {keeper.node_id} is another one: {key_sha256}"
        )
    case = dict(request)
    return Unsealing(
        unsealing_id=tx_id,
        requester=requester,
        keeper_msp_id=keeper.msp_id,
        consents=[requester],
        consortium_version=consortium.version,
        status=UnsealingStatus.REQUESTED,
        requested_at_s=now_s,
        updated_at_s=now_s,
        expires_at_s=now_s + case.pop("valid_for_s"),
        **case,
    )


def consent(unsealing: Unsealing, voter: MspId, *, consortium: Consortium, now_s: int) -> Unsealing:
    """Add one member's consent; two standing ones grant the unsealing.

    Raises:
        Refusal: ALREADY_CONCLUDED, UNSEALING_EXPIRED, ALREADY_VOTED.
    """
    _check_open(unsealing, now_s)
    consents = _standing(unsealing, consortium)
    if voter in consents:
        raise Refusal(
            RefusalCode.ALREADY_VOTED, f"{voter} has consented to unsealing {unsealing.unsealing_id}"
        )
    consents.append(voter)
    granted = len(consents) >= CONSENTS_NEEDED
    return unsealing.replace(
        consents=consents,
        consortium_version=consortium.version,
        status=UnsealingStatus.GRANTED if granted else UnsealingStatus.REQUESTED,
        updated_at_s=now_s,
    )


def refuse(unsealing: Unsealing, msp_id: MspId, *, now_s: int) -> Unsealing:
    """Say for the keeper that it will not unseal, whoever consented.

    Raises:
        Refusal: NOT_KEEPER, another organisation keeps the key; ALREADY_CONCLUDED, UNSEALING_EXPIRED.
    """
    if msp_id != unsealing.keeper_msp_id:
        raise Refusal(
            RefusalCode.NOT_KEEPER,
            f"the key of unsealing {unsealing.unsealing_id} is kept by {unsealing.keeper_msp_id}",
        )
    _check_open(unsealing, now_s)
    return unsealing.replace(status=UnsealingStatus.REFUSED, updated_at_s=now_s)


def fulfil(unsealing: Unsealing, keeper: Node, *, consortium: Consortium, now_s: int) -> Unsealing:
    """Record that the keeper gives the key out. It commits this first, so that nothing is unsealed unseen.

    The consents are counted once more: one of an organisation that has left meanwhile is gone.

    Raises:
        Refusal: NOT_KEEPER, the key is sealed to another node; ALREADY_CONCLUDED, UNSEALING_EXPIRED,
            NOT_GRANTED.
    """
    if keeper.node_id != unsealing.keeper_node_id:
        raise Refusal(
            RefusalCode.NOT_KEEPER,
            f"the key of unsealing {unsealing.unsealing_id} is sealed to node {unsealing.keeper_node_id}",
        )
    _check_open(unsealing, now_s)
    consents = _standing(unsealing, consortium)
    if len(consents) < CONSENTS_NEEDED:
        raise Refusal(
            RefusalCode.NOT_GRANTED,
            f"unsealing {unsealing.unsealing_id} has the consent of {len(consents)} "
            f"of {CONSENTS_NEEDED} organisations",
        )
    return unsealing.replace(
        consents=consents,
        consortium_version=consortium.version,
        status=UnsealingStatus.FULFILLED,
        updated_at_s=now_s,
    )


def _standing(unsealing: Unsealing, consortium: Consortium) -> list[MspId]:
    return votes.standing(unsealing.consents, unsealing.consortium_version, consortium)


def _check_open(unsealing: Unsealing, now_s: int) -> None:
    if unsealing.status in (UnsealingStatus.FULFILLED, UnsealingStatus.REFUSED):
        raise Refusal(
            RefusalCode.ALREADY_CONCLUDED, f"unsealing {unsealing.unsealing_id} is {unsealing.status}"
        )
    if now_s >= unsealing.expires_at_s:
        raise Refusal(
            RefusalCode.UNSEALING_EXPIRED,
            f"unsealing {unsealing.unsealing_id} expired {now_s - unsealing.expires_at_s} s ago",
        )
