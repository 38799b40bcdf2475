"""A consortium of processes: a ledger, and nodes that serve on loopback.

    consortium = LiveConsortium.found(folder)      # ledger up, members agreed, model approved, policy in
    force org1 = consortium.add_node("org1")             # home made; certificates of its organisation
    org1.start()                                   # registered, approved, and answering when this returns

Everything is done as in production: operators vote through the gateway, nodes register themselves,
applications call a node's API with a certificate of its organisation.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio
import pytest
from veilmesh.v1 import node_pb2
from veilmesh.v1.errors_pb2 import ErrorDetail
from veilmesh.v1.node_pb2_grpc import NodeStub
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.policy import (
    ExchangeMode,
    GateLevel,
    PolicyProposal,
    ProposePolicy,
    Terms,
    VotePolicy,
)
from veilmesh_chaincode.records.registry import ApproveModel, FoundConsortium, NodeId, NodeRole
from veilmesh_fabric.connection import connect
from veilmesh_fabric.gateway import Gateway
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_network import running
from veilmesh_network.certificates import NodeRole as NodeOu
from veilmesh_network.loopback import free_port
from veilmesh_network.network import Network
from veilmesh_network.organisation import IdentityFiles, Organisation
from veilmesh_node.config import NodeConfig
from veilmesh_node.domain.secret import Secret
from veilmesh_node.home import Home, IssuedFiles, create_home
from veilmesh_node.ledger import GatewayLedger
from veilmesh_node.rpc.failures import detail_of

ROOT = Path(__file__).resolve().parents[3]
MEMBERS = ("org1", "org2", "org3")
# dlib's encoder, as `veilmesh_ml.model_files` pins it.
MODEL = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
START_WITHIN_S = 90.0

TERMS = Terms(
    threshold_micro=600_000,
    purposes=["travel", "identification"],
    exchange_modes=[ExchangeMode.SEALED],
    anonymizers=["mask"],
    gate_level=GateLevel.STANDARD,
    attempt_limit=3,
    attempt_window_s=600,
    lock_out_s=600,
    authentication_expiry_s=60,
    reference_retention_s=100_000,
)

Answer = TypeVar("Answer", bound=Document)


@cache
def portrait(number: int = 0) -> bytes:
    """Return a JPEG of the astronaut; each number is another re-photograph of her."""
    from PIL import Image
    from skimage import data

    whole = data.astronaut()  # type: ignore[no-untyped-call]  # no annotations
    picture = (
        Image.fromarray(whole)
        .crop((90, 0, 360, 270 - number))
        .rotate(number, resample=Image.Resampling.BICUBIC)
    )
    stream = BytesIO()
    picture.save(stream, format="JPEG", quality=90 - number)
    return stream.getvalue()


@asynccontextmanager
async def refused(status: grpc.StatusCode, code: str) -> AsyncIterator[ErrorDetail]:
    """Expect that the call inside is refused so; what was said about it is in the value, afterwards."""
    detail = ErrorDetail()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield detail
    detail.CopyFrom(detail_of(caught.value))
    assert (caught.value.code(), detail.code) == (status, code), caught.value.details()


@dataclass
class LiveNode:
    """One organisation's node: its home, and its process while it runs."""

    name: str
    organisation: Organisation
    home: Home
    config: NodeConfig
    consortium: "LiveConsortium"
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.home.folder.parent / f"{self.name}.log"

    @property
    def passphrase_file(self) -> Path:
        return self.home.folder.parent / f"{self.name}.passphrase"

    def launch(self, *command: str) -> None:
        """Start the process, by `veilmesh node start` where no other command is given; do not wait for it."""
        words = [sys.executable, "-m", *(command or ("veilmesh_node", "node", "start"))]
        words += ["--home", str(self.home.folder), "--passphrase-file", str(self.passphrase_file)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self, *command: str) -> None:
        """Start the process and return when its API answers."""
        self.launch(*command)
        asyncio.run(self.wait_until_answering())

    async def wait_until_answering(self) -> node_pb2.GetStatusResponse:
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            try:
                return await self.status()
            except grpc.aio.AioRpcError:
                assert self.process is not None
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                await asyncio.sleep(0.1)

    def stop(self) -> int:
        """End the process as an operator does; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    async def status(self) -> node_pb2.GetStatusResponse:
        status: node_pb2.GetStatusResponse = await self.call("GetStatus", node_pb2.GetStatusRequest())
        return status

    async def settled(self) -> node_pb2.GetStatusResponse:
        """Wait until nothing is unfinished and return the status then."""
        deadline = time.monotonic() + 60
        while True:
            status = await self.status()
            if not status.unfinished and status.agreement_checked:
                return status
            assert time.monotonic() < deadline, status
            await asyncio.sleep(0.2)

    async def call(
        self, method: str, request: Any, *, identity: str = "operator", timeout_s: float = 60.0
    ) -> Any:
        """Call the node's API with a certificate of its organisation."""
        async with self.api(self.organisation.identity(identity)) as stub:
            return await getattr(stub, method)(request, timeout=timeout_s)

    @asynccontextmanager
    async def api(self, identity: IdentityFiles) -> AsyncIterator[NodeStub]:
        roots = (self.organisation.dir / "tlsca" / "cert.pem").read_bytes()
        credentials = grpc.ssl_channel_credentials(
            roots, identity.key.read_bytes(), identity.certificate.read_bytes()
        )
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        async with grpc.aio.secure_channel(self.config.api_listen, credentials, options=options) as channel:
            yield NodeStub(channel)  # type: ignore[no-untyped-call]  # generated

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[GatewayLedger]:
        """The ledger, as this node's identity sees it."""
        identity = SigningIdentity.from_msp_folder(self.home.msp, self.config.msp_id)
        network = self.consortium.network
        async with connect(network.address, network.tls_roots.read_bytes()) as channel:
            yield GatewayLedger(
                Gateway(channel, identity), channel_name=network.channel, chaincode_name=network.chaincode
            )


@dataclass
class LiveConsortium:
    folder: Path
    network: Network
    nodes: dict[str, LiveNode] = field(default_factory=dict)

    @classmethod
    def found(cls, folder: Path, terms: Terms = TERMS) -> "LiveConsortium":
        """Bring the embedded ledger up and agree on members, model and policy."""
        return cls.found_on(running.up(folder / "network", port=free_port()).network, folder, terms)

    @classmethod
    def found_on(cls, network: Network, folder: Path, terms: Terms = TERMS) -> "LiveConsortium":
        """Agree on members, model and policy on a ledger that is up; `close` brings it down."""
        consortium = cls(folder, network)
        for organisation in network.members:
            organisation.issue("application", role=NodeOu.CLIENT, attributes={"role": "application"})
        founding = FoundConsortium(
            members=[organisation.msp_id for organisation in network.members],
            auditors=[organisation.msp_id for organisation in network.auditors],
        )
        asyncio.run(consortium._agree(founding, terms))
        return consortium

    async def _agree(self, founding: FoundConsortium, terms: Terms) -> None:
        await self.submit("org1", "registry:FoundConsortium", founding)
        for voter in MEMBERS[:2]:
            await self.submit(
                voter, "registry:ApproveModel", ApproveModel(model_digest=MODEL, name="dlib resnet v1")
            )
        result = await self.submit("org1", "policy:Propose", ProposePolicy(base_version=0, terms=terms))
        proposal = PolicyProposal.from_bytes(result)
        await self.submit("org2", "policy:Vote", VotePolicy(proposal_id=proposal.proposal_id, approve=True))

    async def submit(self, organisation: str, function: str, request: Document) -> bytes:
        """Change the ledger as an organisation's operator."""
        member = self.network.organisation(organisation)
        identity = SigningIdentity.from_msp_folder(member.identity("operator").msp_dir, member.msp_id)
        async with connect(self.network.address, self.network.tls_roots.read_bytes()) as channel:
            contract = Gateway(channel, identity).contract(self.network.channel, self.network.chaincode)
            return (await contract.submit(function, request.to_bytes())).result

    def approve(self, node_id: str) -> None:
        async def votes() -> None:
            for voter in MEMBERS[:2]:
                await self.submit(voter, "registry:ApproveNode", NodeId(node_id=node_id))

        asyncio.run(votes())

    def add_node(self, organisation: str, *, name: str = "") -> LiveNode:
        """Make a node's home; it is not started."""
        name = name or f"{organisation}-node"
        member = self.network.organisation(organisation)
        files = member.issue(name, role=NodeOu.CLIENT, attributes={"role": "node"}, tls_hosts=())
        assert files.tls is not None
        exchange, metrics = free_port(), free_port()
        config = NodeConfig(
            node_id=name,
            msp_id=member.msp_id,
            roles=[NodeRole.OWNER, NodeRole.RELYING, NodeRole.DECIDER],
            exchange_listen=f"127.0.0.1:{exchange}",
            exchange_endpoint=f"127.0.0.1:{exchange}",
            api_listen=f"127.0.0.1:{free_port()}",
            metrics_listen=f"127.0.0.1:{metrics}",
            gateways=self.network.gateways(member.msp_id),
            channel=self.network.channel,
            chaincode=self.network.chaincode,
        )
        home = create_home(
            self.folder / name,
            config,
            IssuedFiles(
                msp=files.msp_dir,
                tls_certificate=files.tls.certificate,
                tls_key=files.tls.key,
                exchange_roots=[each.dir / "tlsca" / "cert.pem" for each in self.network.members],
                client_roots=[member.dir / "ca" / "cert.pem"],
                gateway_roots=self.network.tls_roots,
            ),
            Secret(b"correct horse"),
            scrypt_n=2**4,
        )
        node = LiveNode(name, member, home, config, self)
        node.passphrase_file.write_text("correct horse\n")
        self.nodes[name] = node
        return node

    def start_and_approve(self, *organisations: str) -> list[LiveNode]:
        """Add nodes, start them, and have them approved."""
        nodes = [self.add_node(organisation) for organisation in organisations]
        for node in nodes:
            node.launch()
        for node in nodes:
            asyncio.run(self.registered(node))
            self.approve(node.name)
        return nodes

    async def registered(self, node: LiveNode) -> None:
        """Wait until a node that runs has registered itself."""
        await _until(node, lambda status: status.registration == "pending")

    def close(self) -> None:
        for node in self.nodes.values():
            node.kill()
        running.down(self.network.folder)


async def _until(node: LiveNode, holds: Callable[[node_pb2.GetStatusResponse], bool]) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not holds(await node.wait_until_answering()):
        assert time.monotonic() < deadline, node.log.read_text()
        await asyncio.sleep(0.1)
