"""How often a peer may call: a token bucket for each, filled at a steady rate."""

import time
from collections.abc import Callable

from veilmesh_node.errors import RateLimitedError

MAX_PEERS = (
    10_000  # known buckets; who connects has a certificate of a member, so this is never reached in use
)


class RateLimit:
    def __init__(
        self, *, per_minute: float, burst: int, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Limit each peer.

        Args:
            per_minute: calls in the long run.
            burst: calls at once, after a rest.
            monotonic_s: a clock in seconds.
        """
        self._per_s = per_minute / 60
        self._burst = float(burst)
        self._now_s = monotonic_s
        self._buckets: dict[str, tuple[float, float]] = {}  # peer: tokens, and when they were counted

    def take(self, peer: str) -> None:
        """Count one call.

        Raises:
            RateLimitedError: the peer's bucket is empty.
        """
        now_s = self._now_s()
        tokens, since_s = self._buckets.get(peer, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - since_s) * self._per_s)
        if tokens < 1:
            raise RateLimitedError((1 - tokens) / self._per_s)
        if len(self._buckets) >= MAX_PEERS and peer not in self._buckets:
            self._buckets.clear()
        self._buckets[peer] = (tokens - 1, now_s)
