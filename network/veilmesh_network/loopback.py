"""Ports of this machine's loopback, where all that veilmesh starts for development listens."""

import random
import socket
from collections.abc import Iterable
from itertools import cycle, islice

from veilmesh_network.errors import AddressInUseError

HOST = "127.0.0.1"
_FIRST, _LAST = 20_000, 32_000  # below those that Linux gives to outgoing connections
_SINGLES = range(12_000, _FIRST)
_singles = cycle(random.sample(_SINGLES, len(_SINGLES)))  # none twice, before it is in use


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
    """Return a port that was free a moment ago, and that nobody else is given while its owner is down.

    Raises:
        AddressInUseError: none is free.
    """
    return free_ports(1, islice(_singles, len(_SINGLES)))


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
