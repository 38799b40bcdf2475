"""Rate limits: a burst, then a steady rate, each peer for itself."""

import pytest
from veilmesh_node.errors import RateLimitedError
from veilmesh_node.exchange.rate_limit import MAX_PEERS, RateLimit


class HandClock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_then_a_steady_rate() -> None:
    clock = HandClock()
    limit = RateLimit(per_minute=60, burst=3, monotonic_s=clock)
    for _ in range(3):
        limit.take("peer")
    with pytest.raises(RateLimitedError) as caught:
        limit.take("peer")
    assert caught.value.retry_after_s == pytest.approx(1.0)
    clock.now_s = 0.9
    with pytest.raises(RateLimitedError):
        limit.take("peer")
    clock.now_s = 1.1
    limit.take("peer")
    with pytest.raises(RateLimitedError):
        limit.take("peer")


def test_a_rest_is_worth_one_burst_and_no_more() -> None:
    clock = HandClock()
    limit = RateLimit(per_minute=60, burst=3, monotonic_s=clock)
    limit.take("peer")
    clock.now_s = 3600.0
    for _ in range(3):
        limit.take("peer")
    with pytest.raises(RateLimitedError):
        limit.take("peer")


def test_each_peer_for_itself() -> None:
    limit = RateLimit(per_minute=60, burst=1, monotonic_s=HandClock())
    limit.take("one")
    limit.take("other")
    with pytest.raises(RateLimitedError):
        limit.take("one")


def test_memory_is_bounded() -> None:
    limit = RateLimit(per_minute=60, burst=1, monotonic_s=HandClock())
    for number in range(MAX_PEERS + 10):
        limit.take(str(number))
    assert len(limit._buckets) <= MAX_PEERS
