"""Make this node known to the consortium: register it, and again when its address or its keys have changed.

Registering makes a node pending until a majority has approved it, so it is done only where the ledger's
record is not what this node publishes.
"""

import logging

from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Node, NodeStatus, RegisterNode

from veilmesh_node.errors import LedgerConflictError
from veilmesh_node.ports import REGISTER_NODE, Ledger

ATTEMPTS = 5

_log = logging.getLogger(__name__)


async def ensure_registered(ledger: Ledger, request: RegisterNode) -> Node:
    """Return the ledger's record of this node, after registering it where that is needed.

    Raises:
        Refusal: NOT_FOUNDED, there is no consortium yet; ALREADY_EXISTS, the id is another's or is retired.
        LedgerUnavailableError: ask again later.
    """
    for _ in range(ATTEMPTS):
        node = await _find(ledger, request.node_id)
        if node is not None and (_same(node, request) or node.status is NodeStatus.RETIRED):
            return node
        _log.info("registering node %s on the ledger", request.node_id)
        transaction = await ledger.endorse(REGISTER_NODE, request)
        try:
            await ledger.commit(transaction, in_doubt=False)
        except LedgerConflictError:
            continue
    raise LedgerConflictError(f"the registration of node {request.node_id} kept colliding")


async def _find(ledger: Ledger, node_id: str) -> Node | None:
    try:
        return await ledger.node(node_id)
    except Refusal as refusal:
        if refusal.code is not RefusalCode.NOT_FOUND:
            raise
        return None


def _same(node: Node, request: RegisterNode) -> bool:
    return all(getattr(node, name) == getattr(request, name) for name in RegisterNode.model_fields)
