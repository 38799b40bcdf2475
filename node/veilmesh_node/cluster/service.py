"""The service `veilmesh.v1.Cluster`: what machines that join, and a head's own commands, may ask of it."""

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from veilmesh.v1 import cluster_pb2
from veilmesh.v1.cluster_pb2_grpc import ClusterServicer

from veilmesh_node import catalog
from veilmesh_node.cluster.challenge import Challenges, Statement, verify_statement
from veilmesh_node.cluster.errors import AdmissionRefusedError, ClusterError
from veilmesh_node.cluster.head_metrics import HeadMetrics
from veilmesh_node.cluster.membership import Roster, Shown, require_worker
from veilmesh_node.cluster.standing import found
from veilmesh_node.errors import PermissionDeniedError
from veilmesh_node.exchange.rate_limit import RateLimit
from veilmesh_node.ports import Ledger
from veilmesh_node.rpc.caller import Caller, caller_of
from veilmesh_node.rpc.failures import translated

if TYPE_CHECKING:
    import grpc

CALLS_PER_MINUTE, BURST = 600, 100
JOB_FORGOTTEN_AFTER_S = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What does not change while a head runs."""

    cluster_id: str
    ray_address: str
    ray_token: str = field(repr=False)
    ray_node_id: str  # of the head's own machine
    dashboard_url: str
    msp_ids: tuple[str, ...]  # whose nodes may work


@dataclass(slots=True)
class Jobs:
    """How far jobs are, as they say themselves."""

    _heard: dict[str, tuple[float, cluster_pb2.Progress]] = field(default_factory=dict)

    def hear(self, progress: cluster_pb2.Progress, now_s: float) -> cluster_pb2.Progress | None:
        """Keep what a job says; return what it said before."""
        earlier = self._heard.get(progress.job_id)
        self._heard[progress.job_id] = (now_s, progress)
        return None if earlier is None else earlier[1]

    def lately(self, now_s: float) -> list[cluster_pb2.Progress]:
        self._heard = {
            job_id: each for job_id, each in self._heard.items() if now_s - each[0] < JOB_FORGOTTEN_AFTER_S
        }
        return [progress for _, progress in self._heard.values()]


class ClusterService(ClusterServicer):
    def __init__(
        self,
        facts: ClusterFacts,
        roster: Roster,
        ledger: Ledger,
        metrics: HeadMetrics,
        own_certificate_sha256: str,
    ) -> None:
        self._facts = facts
        self._roster = roster
        self._ledger = ledger
        self._metrics = metrics
        self._own = own_certificate_sha256
        self._challenges = Challenges(lambda: int(time.time()))
        self._limit = RateLimit(per_minute=CALLS_PER_MINUTE, burst=BURST)
        self._jobs = Jobs()

    async def Challenge(  # noqa: N802 - the protocol's name
        self, request: cluster_pb2.ChallengeRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> cluster_pb2.ChallengeResponse:
        async with translated(context, "Challenge", _describe):
            challenge = self._challenges.issue(request.node_id, self._caller(context).certificate_sha256)
        return cluster_pb2.ChallengeResponse(
            cluster_id=self._facts.cluster_id,
            nonce=challenge.nonce,
            expires_at_s=challenge.expires_at_s,
        )

    async def Join(  # noqa: N802 - the protocol's name
        self, request: cluster_pb2.JoinRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> cluster_pb2.JoinResponse:
        async with translated(context, "Join", _describe):
            with self._metrics.admission():
                admission_id = await self._admit(request, self._caller(context))
        return cluster_pb2.JoinResponse(
            admission_id=admission_id,
            ray_address=self._facts.ray_address,
            ray_token=self._facts.ray_token,
        )

    async def _admit(self, request: cluster_pb2.JoinRequest, caller: Caller) -> str:
        """Admit a node, or say why not.

        1. The challenge is this head's, was given to this certificate, and is answered for the first time.
        2. Who answers holds the key, and the ledger names that key, and the certificate, for the node.
        3. The ledger says that the node is active, and a worker; and its organisation is one of those asked.
        """
        challenge = self._challenges.redeem(request.nonce, request.node_id, caller.certificate_sha256)
        statement = Statement(
            self._facts.cluster_id,
            challenge.nonce,
            challenge.expires_at_s,
            challenge.node_id,
            self._own,
            caller.certificate_sha256,
        )
        identity_sha256 = verify_statement(statement, request.public_key, request.signature)
        node = await found(self._ledger, request.node_id)
        shown = Shown(identity_sha256, caller.certificate_sha256)
        require_worker(node, shown, self._facts.msp_ids)
        member = self._roster.admit(node, shown, time.monotonic())
        _log.info("node %s of %s is admitted", member.node_id, member.msp_id)
        return member.admission_id

    async def Attend(  # noqa: N802 - the protocol's name
        self, request: cluster_pb2.AttendRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> cluster_pb2.AttendResponse:
        async with translated(context, "Attend", _describe):
            caller = self._caller(context)
            if request.ray_node_id == self._facts.ray_node_id:
                raise AdmissionRefusedError("that machine is the head's")
            try:
                member = self._roster.attend(
                    request.admission_id, caller.certificate_sha256, request.ray_node_id, time.monotonic()
                )
            except AdmissionRefusedError as err:
                return cluster_pb2.AttendResponse(sent_away=str(err))
            if request.leaving:
                self._roster.leave(member)
                _log.info("node %s leaves", member.node_id)
        return cluster_pb2.AttendResponse()

    async def GetCluster(  # noqa: N802 - the protocol's name
        self,
        request: cluster_pb2.GetClusterRequest,  # noqa: ARG002 - the protocol's signature
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> cluster_pb2.GetClusterResponse:
        async with translated(context, "GetCluster", catalog.describe):
            self._require_own(context)
        now_s = time.monotonic()
        since_s = time.time() - now_s
        return cluster_pb2.GetClusterResponse(
            cluster_id=self._facts.cluster_id,
            dashboard_url=self._facts.dashboard_url,
            workers=[
                cluster_pb2.Worker(
                    node_id=each.node_id,
                    msp_id=each.msp_id,
                    state=each.state(now_s),
                    ray_node_id=each.ray_node_id,
                    admitted_at_s=int(since_s + each.admitted_s),
                )
                for each in self._roster.members
            ],
            sent_away=[
                cluster_pb2.SentAway(node_id=each.node_id, reason=each.reason, at_s=int(since_s + each.at_s))
                for each in self._roster.sent_away
            ],
            jobs=self._jobs.lately(now_s),
        )

    async def ReportProgress(  # noqa: N802 - the protocol's name
        self,
        request: cluster_pb2.ReportProgressRequest,
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> cluster_pb2.ReportProgressResponse:
        async with translated(context, "ReportProgress", catalog.describe):
            self._require_own(context)
            self._metrics.hear(self._jobs.hear(request.progress, time.monotonic()), request.progress)
        return cluster_pb2.ReportProgressResponse()

    def _caller(self, context: "grpc.aio.ServicerContext[Any, Any]") -> Caller:
        caller = caller_of(context)
        self._limit.take(caller.certificate_sha256)
        return caller

    def _require_own(self, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
        if caller_of(context).certificate_sha256 != self._own:
            raise PermissionDeniedError("only the head's own node may ask this")


def whose(msp_id: str, admitted: Collection[str]) -> tuple[str, ...]:
    """Return the organisations whose nodes may work: the head's own, and those that its operator named."""
    return tuple(dict.fromkeys([msp_id, *admitted]))


def _describe(err: Exception) -> catalog.Description:
    """Return what a machine that wants to join is told: what the ledger says of it is no secret."""
    if isinstance(err, ClusterError):
        return catalog.Description(err.status, err.code, str(err), err.hint)
    return catalog.describe_to_peer(err)
