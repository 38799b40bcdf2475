"""The keys of a folder's permuted pictures, sealed: each lies beside its picture as `NAME.sealed.json`.

The node that can open them is named by the owner; unless another one is, it is the owner's own.
"""

from collections.abc import Sequence
from pathlib import Path

from veilmesh.v1.node_pb2 import GetStatusRequest
from veilmesh_chaincode.records.registry import Node, NodeId
from veilmesh_ml.folder_job import FileResult
from veilmesh_ml.image import write_atomically

from veilmesh_node.cli import ledger, node_api
from veilmesh_node.sealed_key import Keeper


def keeper(home: Path, node_id: str | None) -> Keeper:
    """Return the node that keys are to be sealed to, as the ledger knows it; by default the home's own.

    Raises:
        Refusal: NOT_FOUND.
        NodeCallError: the home's own node is out of reach.
    """
    if node_id is None:
        node_id = node_api.call(home, "GetStatus", GetStatusRequest()).node_id
    node = ledger.evaluate(home, "registry:GetNode", NodeId(node_id=node_id), Node)
    return Keeper(node.node_id, node.sealing_public_key)


def path_beside(picture: Path) -> Path:
    return picture.with_name(f"{picture.name}.sealed.json")


def write(results: Sequence[FileResult]) -> int:
    """Write the sealed keys of these pictures, and take away what an earlier run left; return how many."""
    sealed = 0
    for result in results:
        if result.target is None:
            continue
        if result.sealed_key:
            write_atomically(path_beside(result.target), result.sealed_key.encode())
            sealed += 1
        else:
            path_beside(result.target).unlink(missing_ok=True)
    return sealed
