"""Nodes that are told where to die, and what is there once they were started again."""

import signal
from pathlib import Path

import grpc.aio
import pytest
from veilmesh.v1 import node_pb2
from veilmesh_chaincode.records.enrolment import Reference

from tests.integration.node.live_consortium import LiveNode, portrait


def crash_file(node: LiveNode) -> Path:
    return node.home.folder.parent / f"{node.name}.crash"


def started(node: LiveNode) -> LiveNode:
    """Run a node that can be told to die."""
    node.kill()
    node.start("tests.faults.node.crashing_node", "--crash-file", str(crash_file(node)))
    return node


async def die_in_call(node: LiveNode, point: str, method: str, request: object) -> None:
    """Call a node that dies at `point` on the way."""
    crash_file(node).write_text(point)
    with pytest.raises(grpc.aio.AioRpcError):
        await node.call(method, request)


async def restart(node: LiveNode) -> node_pb2.GetStatusResponse:
    """See that the node died as it was told, start it again, and wait until its journal is empty."""
    assert node.process is not None
    assert node.process.wait(timeout=60) == -signal.SIGKILL
    crash_file(node).write_text("")
    node.launch("tests.faults.node.crashing_node", "--crash-file", str(crash_file(node)))
    await node.wait_until_answering()
    status = await node.settled()
    assert list(status.disagreements) == []
    return status


async def owned(node: LiveNode) -> dict[str, Reference]:
    async with node.ledger() as ledger:
        page = await ledger.references(node.config.msp_id, limit=1000, bookmark="")
    return {entry.reference_id: entry for entry in page.entries}


async def enrolled(node: LiveNode) -> str:
    response = await node.call("Enrol", node_pb2.EnrolRequest(photos=[portrait()]))
    reference_id: str = response.reference.reference_id
    return reference_id
