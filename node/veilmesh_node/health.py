"""What a node says of its own health, by gRPC's health protocol: whether its vault can be worked with.

A ledger that is away leaves it SERVING: calls are answered UNAVAILABLE and resumed later, and starting the
node anew would help nobody. `veilmesh_ledger_reachable` tells of that.
"""

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health

SERVICES = ("", "veilmesh.v1.Node", "veilmesh.v1.Exchange")


class Health:
    """One state, which both servers of a node tell."""

    def __init__(self) -> None:
        self.servicer = health.HealthServicer()

    async def say(self, *, serving: bool) -> None:
        """Tell from now on that calls are served, or that they are not."""
        status = health_pb2.HealthCheckResponse
        for service in SERVICES:
            await self.servicer.set(service, status.SERVING if serving else status.NOT_SERVING)
