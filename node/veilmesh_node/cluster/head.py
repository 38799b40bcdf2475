"""The head as a process: starts Ray's head, and admits machines.

run(home, settings)      what `veilmesh cluster start --listen` calls; returns after SIGTERM or SIGINT
"""

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
from veilmesh.v1.cluster_pb2_grpc import add_ClusterServicer_to_server

from veilmesh_node.certificates import NodeCertificates, NodeTls
from veilmesh_node.cluster.head_metrics import HeadMetrics
from veilmesh_node.cluster.machine import MachineSettings
from veilmesh_node.cluster.membership import Roster
from veilmesh_node.cluster.node_ledger import node_ledger
from veilmesh_node.cluster.ray_nodes import RayNodes
from veilmesh_node.cluster.ray_process import (
    OBJECT_STORE_BYTES,
    TOKEN_BYTES,
    RayAccess,
    RayProcess,
    address_of,
    ray_running,
    require_ray,
)
from veilmesh_node.cluster.running import Part, Running
from veilmesh_node.cluster.service import ClusterFacts, ClusterService, whose
from veilmesh_node.cluster.standing import require_active
from veilmesh_node.cluster.watch import Watch
from veilmesh_node.config import NodeConfig
from veilmesh_node.errors import HomeError
from veilmesh_node.home import Home
from veilmesh_node.metrics import metrics_served
from veilmesh_node.stopping import stop_signal

GRACE_S = 2.0  # for calls at work when the head ends

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """How a head is run.

    Attributes:
        listen: host:port where machines join.
        admitted: MSP ids whose nodes may work, besides the head's own.
        dashboard: whether to have Ray's.
        metrics_listen: host:port for Prometheus, on loopback.
    """

    listen: str
    admitted: tuple[str, ...] = ()
    dashboard: bool = False
    metrics_listen: str | None = None


def run(folder: Path, settings: HeadSettings) -> None:
    """Be the head of the node whose home is `folder` until SIGTERM or SIGINT.

    Raises:
        RayMissingError, DashboardMissingError, AlreadyRunningError, HomeError: it cannot start.
        AdmissionRefusedError: its own node is not active on the ledger, or not any more.
        LedgerError: the ledger cannot be asked whether it is.
        RayFailedError: Ray did not start, or ended.
    """
    require_ray(dashboard=settings.dashboard)
    running = Running(folder, Part.HEAD)
    with running.held():
        asyncio.run(_until_signal(folder, settings, running))


async def _until_signal(folder: Path, settings: HeadSettings, running: Running) -> None:
    stop = stop_signal()
    async with _serving(Home(folder), NodeConfig.load(folder), settings, running) as (ray, watch):
        ended, stopped = asyncio.create_task(ray.ended()), asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({ended, stopped, watch}, return_when=asyncio.FIRST_COMPLETED)
        for task in (ended, stopped):
            task.cancel()
        if stopped not in done:
            done.pop().result()
        _log.info("stopping")


@asynccontextmanager
async def _serving(
    home: Home, config: NodeConfig, settings: HeadSettings, running: Running
) -> AsyncIterator[tuple[RayProcess, asyncio.Task[None]]]:
    certificates = NodeCertificates.of(home, config)
    tls = certificates.tls()
    access = RayAccess.of(home, secrets.token_hex(TOKEN_BYTES))
    ip = address_of(config.exchange_endpoint, tls.pair.certificate)
    machine = MachineSettings(ip, "", 0, 0, OBJECT_STORE_BYTES, dashboard=settings.dashboard)
    async with node_ledger(config, certificates) as ledger:
        await require_active(ledger, config.node_id)
        async with ray_running(machine, access, running.ray_log) as ray:
            facts = ClusterFacts(
                secrets.token_hex(16),
                ray.machine.gcs_address,
                access.token,
                ray.machine.ray_node_id,
                ray.machine.dashboard_url,
                whose(config.msp_id, settings.admitted),
            )
            roster, metrics = Roster(), HeadMetrics()
            service = ClusterService(facts, roster, ledger, metrics, tls.pair.digest.hex())
            watch = Watch(
                roster,
                ledger,
                _ray_nodes(access, facts.ray_address),
                metrics,
                msp_ids=facts.msp_ids,
                own_node_id=config.node_id,
                own_ray_node_id=facts.ray_node_id,
            )
            with metrics_served(settings.metrics_listen, metrics.registry):
                async with _listening(settings.listen, tls, service), watch.at_work() as watching:
                    running.tell(
                        {
                            "listen": settings.listen,
                            "cluster_id": facts.cluster_id,
                            "ray_address": facts.ray_address,
                            "ray_token": facts.ray_token,
                            "dashboard_url": facts.dashboard_url,
                        }
                    )
                    _log.info(
                        "cluster %s takes workers of %s on %s",
                        facts.cluster_id[:8],
                        ", ".join(facts.msp_ids),
                        settings.listen,
                    )
                    if facts.dashboard_url:
                        _log.info("Ray's dashboard is at %s", facts.dashboard_url)
                    yield ray, watching


@asynccontextmanager
async def _listening(address: str, tls: NodeTls, service: ClusterService) -> AsyncIterator[None]:
    server = grpc.aio.server()
    add_ClusterServicer_to_server(service, server)  # type: ignore[no-untyped-call]  # generated
    credentials = grpc.ssl_server_credentials(
        [(tls.pair.key_pem, tls.pair.certificate_pem)],
        tls.exchange.client_roots_pem,
        require_client_auth=True,
    )
    try:
        server.add_secure_port(address, credentials)
    except (OSError, RuntimeError) as err:
        raise HomeError(f"cannot listen on {address}: {err}") from err
    await server.start()
    try:
        yield
    finally:
        await server.stop(GRACE_S)


def _ray_nodes(access: RayAccess, ray_address: str) -> RayNodes:
    """Return Ray's list, after telling this process what opens it."""
    os.environ.update(access.environment())
    return RayNodes(ray_address)
