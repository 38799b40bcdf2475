"""What every call of one client shares."""

from collections.abc import Callable
from dataclasses import dataclass

from veilmesh_fabric.calls import Deadlines, GatewayCalls
from veilmesh_fabric.failover import Gateways
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.retry import Clock, RetryPolicy


@dataclass(frozen=True, slots=True)
class Session:
    """Some gateways, who speaks to them, and how patiently."""

    gateways: Gateways
    calls: GatewayCalls
    identify: Callable[[], SigningIdentity]  # a renewed certificate makes another identity
    deadlines: Deadlines
    retry: RetryPolicy
    clock: Clock
