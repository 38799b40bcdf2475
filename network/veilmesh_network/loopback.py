"""Ports of this machine's loopback, where all that veilmesh starts for development listens."""

import random
import socket
from collections.abc import Iterable

from veilmesh_network.errors import AddressInUseError

HOST = "127.0.0.1"
_FIRST, _LAST = 20_000, 32_000  # below those that Linux gives to outgoing connections


def is_free(port: int) -> bool:
    """Return whether a process could listen on a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def free_ports(count: int, starts: Iterable[int] | None = None) -> int:
    """Return the first of `count` ports in a row that were free a moment ago.

    Args:
        count: how many.
        starts: where such a row may begin, in the order of preference; anywhere, at random, if not given, so
            that two who look at once find different ones.

    Raises:
        AddressInUseError: no such row is free.
    """
    if starts is None:
        everywhere = range(_FIRST, _LAST - count, count)
        starts = random.sample(everywhere, len(everywhere))
    for start in starts:
        if all(map(is_free, range(start, start + count))):
            return start
    raise AddressInUseError(f"no {count} ports in a row are free on {HOST}")
