"""A machine that works for a cluster, as a process: joins, has Ray run, leaves when it is told to.

    run(home, settings)      what `veilmesh cluster start --join` calls; returns after SIGTERM or SIGINT

1. The ledger says what this node is: one that is not active, or no worker, need not ask.
2. The ledger says which TLS certificate the head's node has; nothing is said to anybody else.
3. The head's challenge is signed with the node's key; the answer opens Ray.
4. Ray starts, and every second the head is asked whether this machine is still welcome.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from veilmesh.v1 import cluster_pb2
from veilmesh.v1.cluster_pb2_grpc import ClusterStub
from veilmesh_chaincode.records.registry import Node
from veilmesh_fabric.identity import SigningIdentity

from veilmesh_node.certificates import NodeCertificates
from veilmesh_node.cluster.challenge import Statement
from veilmesh_node.cluster.errors import (
    AdmissionRefusedError,
    ClusterDownError,
    ClusterError,
)
from veilmesh_node.cluster.machine import MachineSettings
from veilmesh_node.cluster.membership import ATTEND_EVERY_S, Shown, require_worker
from veilmesh_node.cluster.node_ledger import node_ledger
from veilmesh_node.cluster.ray_process import (
    OBJECT_STORE_BYTES,
    RayAccess,
    RayProcess,
    address_of,
    ray_running,
    require_ray,
)
from veilmesh_node.cluster.running import Part, Running
from veilmesh_node.cluster.standing import found, require_active
from veilmesh_node.config import NodeConfig
from veilmesh_node.errors import PeerError
from veilmesh_node.exchange.pinning import fetch_pinned
from veilmesh_node.home import Home
from veilmesh_node.ports import Ledger
from veilmesh_node.rpc.failures import detail_of
from veilmesh_node.stopping import stop_signal

CALL_WITHIN_S = 10.0
HEAD_AWAY_S = 20.0  # without an answer from the head; its jobs are over by then

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a machine works.

    Attributes:
        head: host:port where the head takes machines.
        head_node_id: whose cluster it is.
        cpus: processors to lend, one process each.
    """

    head: str
    head_node_id: str
    cpus: int


def run(folder: Path, settings: WorkerSettings) -> None:
    """Work for a cluster as the node whose home is `folder`, until SIGTERM or SIGINT.

    Raises:
        RayMissingError, AlreadyRunningError, HomeError: it cannot start.
        AdmissionRefusedError: it may not work there, or not any more.
        ClusterDownError: the head does not answer.
        LedgerError: the ledger cannot be asked.
        RayFailedError: Ray did not start, or ended.
    """
    require_ray()
    running = Running(folder, Part.WORKER)
    with running.held():
        asyncio.run(_until_signal(folder, settings, running))


async def _until_signal(folder: Path, settings: WorkerSettings, running: Running) -> None:
    stop = stop_signal()
    home, config = Home(folder), NodeConfig.load(folder)
    certificates = NodeCertificates.of(home, config)
    ip = address_of(config.exchange_endpoint, certificates.tls().pair.certificate)
    async with node_ledger(config, certificates) as ledger:
        await _require_worker(ledger, config, certificates)
        head = await require_active(ledger, settings.head_node_id)
    async with _joined(settings, head, config, certificates) as admission:
        machine = MachineSettings(ip, admission.ray_address, settings.cpus, None, OBJECT_STORE_BYTES)
        access = RayAccess.of(home, admission.ray_token)
        running.tell({"head": settings.head, "head_node_id": settings.head_node_id})
        await _work(admission, machine, access, running, stop)


async def _require_worker(ledger: Ledger, config: NodeConfig, certificates: NodeCertificates) -> None:
    node = await found(ledger, config.node_id)
    shown = Shown(
        sha256(_public_key(certificates.identity())).hexdigest(), certificates.tls().pair.digest.hex()
    )
    require_worker(node, shown, [config.msp_id])


def _public_key(identity: SigningIdentity) -> bytes:
    key = identity.certificate.public_key
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(slots=True)
class Admission:
    """What the head granted, and the line to it."""

    admission_id: str
    ray_address: str
    ray_token: str = field(repr=False)
    _stub: ClusterStub

    async def attend(self, ray_node_id: str, *, leaving: bool = False) -> None:
        """Tell the head that this machine is here.

        Raises:
            AdmissionRefusedError: it is to leave.
            ClusterDownError: the head does not answer.
        """
        request = cluster_pb2.AttendRequest(
            admission_id=self.admission_id, ray_node_id=ray_node_id, leaving=leaving
        )
        answer = await _asked(self._stub.Attend(request, timeout=CALL_WITHIN_S))
        if answer.sent_away:
            raise AdmissionRefusedError(f"sent away by the head: {answer.sent_away}")


@asynccontextmanager
async def _joined(
    settings: WorkerSettings, head: Node, config: NodeConfig, certificates: NodeCertificates
) -> AsyncIterator[Admission]:
    """Be admitted by the head.

    Raises:
        AdmissionRefusedError: it refuses.
        ClusterDownError: nobody, or somebody else, answers there.
    """
    own, identity = certificates.tls().pair, certificates.identity()
    try:
        pinned = await fetch_pinned(settings.head, head.tls_certificate_sha256, whose=head.node_id, own=own)
    except PeerError as err:
        raise ClusterDownError(str(err)) from err
    credentials = grpc.ssl_channel_credentials(pinned.pem, own.key_pem, own.certificate_pem)
    options = [("grpc.ssl_target_name_override", pinned.server_name)]
    async with grpc.aio.secure_channel(settings.head, credentials, options=options) as channel:
        stub = ClusterStub(channel)  # type: ignore[no-untyped-call]  # generated
        asked = cluster_pb2.ChallengeRequest(node_id=config.node_id)
        challenge = await _asked(stub.Challenge(asked, timeout=CALL_WITHIN_S))
        statement = Statement(
            challenge.cluster_id,
            challenge.nonce,
            challenge.expires_at_s,
            config.node_id,
            head.tls_certificate_sha256,
            own.digest.hex(),
        )
        request = cluster_pb2.JoinRequest(
            node_id=config.node_id,
            nonce=challenge.nonce,
            public_key=_public_key(identity),
            signature=identity.sign(statement.to_bytes()),
        )
        granted = await _asked(stub.Join(request, timeout=CALL_WITHIN_S))
        _log.info("admitted to cluster %s", challenge.cluster_id[:8])
        yield Admission(granted.admission_id, granted.ray_address, granted.ray_token, stub)


async def _work(
    admission: Admission, machine: MachineSettings, access: RayAccess, running: Running, stop: asyncio.Event
) -> None:
    """Have Ray run until the first of: a signal, the head's word, the head's silence, Ray's end."""
    known = _Known()
    tasks = {
        asyncio.create_task(_attend(admission, known), name="attend"),
        asyncio.create_task(_run_ray(machine, access, running, known), name="ray"),
        asyncio.create_task(stop.wait(), name="stop"),
    }
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    with contextlib.suppress(ClusterError):  # who was sent away is told so again
        await admission.attend(known.ray_node_id, leaving=True)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done:
        task.result()


@dataclass(slots=True)
class _Known:
    ray_node_id: str = ""  # until Ray has started


async def _run_ray(machine: MachineSettings, access: RayAccess, running: Running, known: _Known) -> None:
    ray: RayProcess
    async with ray_running(machine, access, running.ray_log) as ray:
        known.ray_node_id = ray.machine.ray_node_id
        _log.info("at work with %d processors", machine.cpus)
        await ray.ended()


async def _attend(admission: Admission, known: _Known) -> None:
    """Ask for ever whether this machine is welcome.

    Raises:
        AdmissionRefusedError: it is not.
        ClusterDownError: the head did not answer for a while.
    """
    loop = asyncio.get_running_loop()
    answered_s = loop.time()
    while True:
        try:
            await admission.attend(known.ray_node_id)
            answered_s = loop.time()
        except ClusterDownError:
            if loop.time() - answered_s > HEAD_AWAY_S:
                raise
        await asyncio.sleep(ATTEND_EVERY_S)


async def _asked(call: Any) -> Any:
    """Await a head's answer; what went wrong comes out as a cluster's error."""
    try:
        return await call
    except grpc.aio.AioRpcError as err:
        told = detail_of(err)
        if told.code == AdmissionRefusedError.code:
            raise AdmissionRefusedError(told.message) from err
        raise ClusterDownError(f"the head does not answer: {told.message or err.details()}") from err
