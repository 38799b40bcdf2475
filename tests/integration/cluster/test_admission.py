"""Who is let into a cluster, on a real ledger and over real TLS; Ray itself is not needed for that."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from veilmesh.v1 import cluster_pb2
from veilmesh.v1.cluster_pb2_grpc import ClusterStub
from veilmesh_chaincode.records.registry import NodeId
from veilmesh_network.loopback import free_port
from veilmesh_node.certificates import NodeCertificates
from veilmesh_node.cluster import head as heads
from veilmesh_node.cluster.challenge import Statement
from veilmesh_node.cluster.errors import AdmissionRefusedError
from veilmesh_node.cluster.head_metrics import HeadMetrics
from veilmesh_node.cluster.membership import Roster
from veilmesh_node.cluster.node_ledger import node_ledger
from veilmesh_node.cluster.service import ClusterFacts, ClusterService
from veilmesh_node.cluster.watch import STRANGER_AFTER_S, Watch
from veilmesh_node.rpc.failures import detail_of

from tests.integration.cluster.local_cluster import Workers
from tests.integration.node.live_consortium import LiveNode

CLUSTER_ID, OWN_RAY_NODE = "c1", "00" * 28


class RayList:
    """Ray's list of machines, in memory."""

    def __init__(self) -> None:
        self.machines = {OWN_RAY_NODE}

    def alive(self) -> set[str]:
        return set(self.machines)

    def strike_off(self, ray_node_ids: Collection[str]) -> None:
        self.machines -= set(ray_node_ids)


@dataclass
class Head:
    """A head of org1's, that takes workers of Org2MSP, too; without Ray."""

    node: LiveNode
    roster: Roster
    watch: Watch
    ray: RayList
    address: str
    metrics: HeadMetrics = field(repr=False)

    @property
    def certificate_sha256(self) -> str:
        return str(NodeCertificates.of(self.node.home, self.node.config).tls().pair.digest.hex())

    @asynccontextmanager
    async def called_by(self, node: LiveNode) -> AsyncIterator[ClusterStub]:
        pair = NodeCertificates.of(node.home, node.config).tls().pair
        roots = (self.node.organisation.dir / "tlsca" / "cert.pem").read_bytes()
        credentials = grpc.ssl_channel_credentials(roots, pair.key_pem, pair.certificate_pem)
        async with grpc.aio.secure_channel(self.address, credentials) as channel:
            yield ClusterStub(channel)  # type: ignore[no-untyped-call]  # generated

    async def answer(self, stub: ClusterStub, node: LiveNode, **changes: Any) -> cluster_pb2.JoinRequest:
        """Ask for a challenge, and return the right answer; `changes` are made to what is signed."""
        challenge = await stub.Challenge(cluster_pb2.ChallengeRequest(node_id=node.name))
        certificates = NodeCertificates.of(node.home, node.config)
        identity = certificates.identity()
        fields = {
            "cluster_id": challenge.cluster_id,
            "nonce": challenge.nonce,
            "expires_at_s": challenge.expires_at_s,
            "node_id": node.name,
            "head_certificate_sha256": self.certificate_sha256,
            "worker_certificate_sha256": certificates.tls().pair.digest.hex(),
        }
        statement = Statement(**{**fields, **changes})
        return cluster_pb2.JoinRequest(
            node_id=node.name,
            nonce=challenge.nonce,
            public_key=identity.certificate.public_key.public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            ),
            signature=identity.sign(statement.to_bytes()),
        )

    async def join(self, node: LiveNode) -> cluster_pb2.JoinResponse:
        async with self.called_by(node) as stub:
            joined: cluster_pb2.JoinResponse = await stub.Join(await self.answer(stub, node))
            return joined


@pytest.fixture(scope="module")
def org1(workers: Workers) -> LiveNode:
    return workers.add("org1")


@pytest.fixture(scope="module")
def org2(workers: Workers) -> LiveNode:
    return workers.add("org2")


@pytest.fixture
def spare(workers: Workers) -> LiveNode:
    return workers.add("org2", name="org2-suspended")


@pytest.fixture
def former(workers: Workers) -> LiveNode:
    return workers.add("org1", name="org1-former")


@asynccontextmanager
async def head_of(org1: LiveNode) -> AsyncIterator[Head]:
    certificates = NodeCertificates.of(org1.home, org1.config)
    msp_ids = ("Org1MSP", "Org2MSP")
    facts = ClusterFacts(CLUSTER_ID, "127.0.0.1:1", "the token", OWN_RAY_NODE, "", msp_ids)
    roster, metrics, ray = Roster(), HeadMetrics(), RayList()
    address = f"127.0.0.1:{free_port()}"
    async with node_ledger(org1.config, certificates) as ledger:
        service = ClusterService(facts, roster, ledger, metrics, certificates.tls().pair.digest.hex())
        watch = Watch(
            roster,
            ledger,
            ray,
            metrics,
            msp_ids=msp_ids,
            own_node_id=org1.name,
            own_ray_node_id=OWN_RAY_NODE,
        )
        async with heads._listening(address, certificates.tls(), service):
            yield Head(org1, roster, watch, ray, address, metrics)


@pytest.fixture
async def head(org1: LiveNode) -> AsyncIterator[Head]:
    async with head_of(org1) as served:
        yield served


@asynccontextmanager
async def refused(message: str) -> AsyncIterator[None]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield
    detail = detail_of(caught.value)
    assert (caught.value.code(), detail.code) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ADMITTED")
    assert message in detail.message
    assert detail.hint


async def test_an_active_worker_gets_what_opens_ray(head: Head, org2: LiveNode) -> None:
    granted = await head.join(org2)
    assert (granted.ray_address, granted.ray_token) == ("127.0.0.1:1", "the token")
    assert [member.node_id for member in head.roster.members] == ["org2-node"]


async def test_an_answer_counts_once(head: Head, org2: LiveNode) -> None:
    async with head.called_by(org2) as stub:
        answer = await head.answer(stub, org2)
        await stub.Join(answer)
        async with refused("answered before"):
            await stub.Join(answer)


@pytest.mark.parametrize("field_", ["cluster_id", "head_certificate_sha256", "worker_certificate_sha256"])
async def test_an_answer_to_another_head_is_none_here(head: Head, org2: LiveNode, field_: str) -> None:
    async with head.called_by(org2) as stub, refused("not signed"):
        await stub.Join(await head.answer(stub, org2, **{field_: "ff" * 32}))
    assert head.roster.members == ()


async def test_a_node_cannot_answer_for_another(head: Head, org1: LiveNode, org2: LiveNode) -> None:
    async with head.called_by(org2) as own, head.called_by(org1) as others:
        answer = await head.answer(own, org2)
        async with refused("given to another node"):
            await others.Join(answer)


async def test_the_key_is_the_ledgers(head: Head, org1: LiveNode, org2: LiveNode) -> None:
    """Org1's key signs that it is org2's node, over org2's connection."""
    async with head.called_by(org2) as stub:
        answer = await head.answer(stub, org2)
        identity = NodeCertificates.of(org1.home, org1.config).identity()
        statement = Statement(
            CLUSTER_ID,
            answer.nonce,
            int(time.time()),
            org2.name,
            head.certificate_sha256,
            NodeCertificates.of(org2.home, org2.config).tls().pair.digest.hex(),
        )
        answer.public_key = identity.certificate.public_key.public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        answer.signature = identity.sign(statement.to_bytes())
        async with refused("not signed"):
            await stub.Join(answer)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("org2-pending", {"approve": False}, "is pending on the ledger"),
        ("org2-plain", {"worker": False}, "has no role `worker`"),
        ("org3-worker", {}, "is of Org3MSP; this cluster takes workers of Org1MSP, Org2MSP"),
    ],
)
def test_others_are_refused(
    workers: Workers, org1: LiveNode, name: str, options: dict[str, bool], message: str
) -> None:
    node = workers.add(name.partition("-")[0], name=name, **options)

    async def ask() -> None:
        async with head_of(org1) as head, refused(message):
            await head.join(node)

    asyncio.run(ask())


async def test_who_is_suspended_is_sent_away(workers: Workers, head: Head, spare: LiveNode) -> None:
    """And Ray holds its machine for dead, whether it obeys or not."""
    node = spare
    granted = await head.join(node)
    attend = cluster_pb2.AttendRequest(admission_id=granted.admission_id, ray_node_id="ab" * 28)
    head.ray.machines.add("ab" * 28)
    async with head.called_by(node) as stub:
        assert not (await stub.Attend(attend)).sent_away
        await head.watch.go_round(time.monotonic())
        assert len(head.roster.working(time.monotonic())) == 1

        await workers.consortium.submit("org2", "registry:SuspendNode", NodeId(node_id=node.name))
        await head.watch.go_round(time.monotonic())

        assert head.roster.members == ()
        assert head.ray.machines == {OWN_RAY_NODE}
        assert "is suspended on the ledger" in (await stub.Attend(attend)).sent_away
        async with refused("is suspended on the ledger"):
            await stub.Join(await head.answer(stub, node))
    assert head.metrics.registry.get_sample_value("veilmesh_cluster_sent_away_total") == 1
    assert (
        head.metrics.registry.get_sample_value("veilmesh_cluster_admissions_total", {"result": "refused"})
        == 1
    )


async def test_a_stranger_in_ray_is_struck_off(head: Head) -> None:
    head.ray.machines.add("cd" * 28)
    await head.watch.go_round(1000.0)
    assert "cd" * 28 in head.ray.machines  # it may be about to say who it is
    await head.watch.go_round(1000.0 + STRANGER_AFTER_S + 1)
    assert head.ray.machines == {OWN_RAY_NODE}


async def test_a_head_whose_own_node_is_suspended_is_none(workers: Workers, former: LiveNode) -> None:
    async with head_of(former) as head:
        await head.watch.go_round(time.monotonic())
        await workers.consortium.submit("org1", "registry:SuspendNode", NodeId(node_id=former.name))
        async with head.watch.at_work() as watching:
            with pytest.raises(AdmissionRefusedError, match="is suspended on the ledger"):
                await watching


async def test_who_works_is_for_the_heads_own_node(head: Head, org1: LiveNode, org2: LiveNode) -> None:
    await head.join(org2)
    async with head.called_by(org1) as own, head.called_by(org2) as other:
        said = await own.GetCluster(cluster_pb2.GetClusterRequest())
        assert [(each.node_id, each.state) for each in said.workers] == [("org2-node", "joining")]
        for call in (
            other.GetCluster(cluster_pb2.GetClusterRequest()),
            other.ReportProgress(cluster_pb2.ReportProgressRequest()),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_what_a_job_has_done_is_counted_once(head: Head, org1: LiveNode) -> None:
    async with head.called_by(org1) as own:
        for done in (3, 5, 5):
            progress = cluster_pb2.Progress(
                job_id="j1", task="detect", items=9, done=done, failed=1, done_by={"org2-node": done}
            )
            await own.ReportProgress(cluster_pb2.ReportProgressRequest(progress=progress))
        said = await own.GetCluster(cluster_pb2.GetClusterRequest())
    assert [(job.job_id, job.done) for job in said.jobs] == [("j1", 5)]
    sample = head.metrics.registry.get_sample_value
    assert sample("veilmesh_cluster_items_total", {"task": "detect", "node": "org2-node"}) == 5
    assert sample("veilmesh_cluster_items_failed_total", {"task": "detect"}) == 1
    assert sample("veilmesh_cluster_items_waiting") == 4


async def test_without_a_certificate_nobody_is_heard(head: Head) -> None:
    roots = (head.node.organisation.dir / "tlsca" / "cert.pem").read_bytes()
    credentials = grpc.ssl_channel_credentials(roots)
    async with grpc.aio.secure_channel(head.address, credentials) as channel:
        stub = ClusterStub(channel)  # type: ignore[no-untyped-call]  # generated
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Challenge(cluster_pb2.ChallengeRequest(node_id="org2-node"), timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
