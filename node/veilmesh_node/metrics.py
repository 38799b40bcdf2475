"""Counters of a node for Prometheus: calls and outcomes, never a name, a reference or a score."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """One node's; a registry of its own, so that several nodes in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "veilmesh_calls", "Calls by method and result.", ["method", "result"], registry=self.registry
        )
        self._seconds = Histogram(
            "veilmesh_call_seconds", "Time a call took.", ["method"], registry=self.registry
        )
        self.unfinished = Gauge(
            "veilmesh_unfinished_operations", "Operations waiting in the journal.", registry=self.registry
        )
        self.ledger_reachable = Gauge(
            "veilmesh_ledger_reachable", "1 if the ledger answered last time, else 0.", registry=self.registry
        )

    @contextmanager
    def call(self, method: str) -> Iterator[None]:
        """Count one call and its time."""
        started = time.perf_counter()
        result = "failed"
        try:
            yield
            result = "ok"
        finally:
            self._calls.labels(method, result).inc()
            self._seconds.labels(method).observe(time.perf_counter() - started)
