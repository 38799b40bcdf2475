"""What the ledger says of a node, for those that talk to it."""

from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Node, NodeStatus

from veilmesh_node.cluster.errors import AdmissionRefusedError
from veilmesh_node.ports import Ledger


async def require_active(ledger: Ledger, node_id: str) -> Node:
    """Return what the ledger says of a node, if it is active.

    Raises:
        AdmissionRefusedError: it is not, or there is none of that name.
    """
    node = await found(ledger, node_id)
    if node.status is not NodeStatus.ACTIVE:
        raise AdmissionRefusedError(f"node {node_id} is {node.status} on the ledger")
    return node


async def found(ledger: Ledger, node_id: str) -> Node:
    """Return what the ledger says of a node.

    Raises:
        AdmissionRefusedError: there is none of that name.
    """
    try:
        return await ledger.node(node_id)
    except Refusal as refusal:
        if refusal.code is not RefusalCode.NOT_FOUND:
            raise
        raise AdmissionRefusedError(f"the ledger knows no node {node_id}") from refusal
