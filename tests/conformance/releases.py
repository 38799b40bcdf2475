"""Which line of Fabric's releases a ledger answers like: where two differ, tests expect what theirs does.

docs/two-ledgers.md lists the differences.
"""

from veilmesh_fabric import Cause
from veilmesh_network.fabric.binaries import Release, find_binaries
from veilmesh_network.network import Network


def release_of(network: Network) -> Release:
    """Return the release of Fabric's binaries here; the embedded ledger answers like Fabric 3."""
    return Release.V3 if network.fabric is None else find_binaries().release


def told(cause: Cause, release: Release) -> Cause:
    """Return what a gateway makes of a creator's fault: to Fabric 2.5's, an expired one is an unknown one."""
    return Cause.UNKNOWN_ISSUER if cause is Cause.EXPIRED and release is Release.V2_5 else cause
