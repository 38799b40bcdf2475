"""What every call of one client shares."""

from dataclasses import dataclass

import grpc.aio

from veilmesh_fabric.calls import Deadlines, GatewayCalls
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.retry import Clock, RetryPolicy


@dataclass(frozen=True, slots=True)
class Session:
    """A channel, who speaks on it, and how patiently."""

    channel: grpc.aio.Channel
    calls: GatewayCalls
    identity: SigningIdentity
    deadlines: Deadlines
    retry: RetryPolicy
    clock: Clock
    tls_certificate_hash: bytes
