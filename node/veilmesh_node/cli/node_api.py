"""The organisation's own node, as the command line reaches it."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from veilmesh.v1.errors_pb2 import ErrorDetail
from veilmesh.v1.node_pb2_grpc import NodeStub
from veilmesh_fabric import connect

from veilmesh_node.cli import output
from veilmesh_node.cli.client_home import ClientHome, NodeAccess
from veilmesh_node.errors import HomeError
from veilmesh_node.rpc.failures import detail_of

DEADLINE_S = 120.0  # an enrolment with several photos and a busy ledger; the node goes on without us


class NodeCallError(Exception):
    """The node said no, or did not answer.

    Attributes:
        status: the gRPC status code's name.
        detail: what the node says about it; empty fields where it said nothing.
    """

    def __init__(self, status: str, message: str, detail: ErrorDetail) -> None:
        super().__init__(detail.message or message)
        self.status = status
        self.detail = detail


def call(folder: Path, method: str, request: Message, *, doing: str = "asking the node") -> Any:
    """Call the node that the home in `folder` names; return the response message.

    Raises:
        HomeError: the home names no node, or its TLS files cannot be read.
        NodeCallError: the node refused, failed or is out of reach.
    """
    access = ClientHome.load(folder).node
    if access is None:
        raise HomeError(f"{folder} names no node: its client.toml has no [node]")
    with output.step(doing):
        return asyncio.run(_call(access, method, request))


async def _call(access: NodeAccess, method: str, request: Message) -> Any:
    try:
        roots, certificate, key = (
            path.read_bytes() for path in (access.tls_roots, access.tls_certificate, access.tls_key)
        )
    except OSError as err:
        raise HomeError(f"cannot read {err.filename}: {err.strerror}") from err
    async with connect(
        access.address, roots, client_certificate_pem=certificate, client_key_pem=key
    ) as channel:
        try:
            node = NodeStub(channel)  # type: ignore[no-untyped-call]  # generated
            return await getattr(node, method)(request, timeout=DEADLINE_S)
        except grpc.aio.AioRpcError as err:
            raise NodeCallError(err.code().name, err.details() or "", detail_of(err)) from err
