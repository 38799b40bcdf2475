"""Counters of a chaincode service for Prometheus: transactions by outcome, never who asked or for what."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass(slots=True)
class Outcome:
    status: int | None = None  # None: the peer's stream ended before


class Metrics:
    """One service's; a registry of its own, so that several in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.streams = Gauge(
            "veilmesh_chaincode_streams", "Peers that are connected.", registry=self.registry
        )
        self._running = Gauge(
            "veilmesh_chaincode_running_transactions", "Transactions at work.", registry=self.registry
        )
        self._transactions = Counter(
            "veilmesh_chaincode_transactions",
            "Transactions by the status of their response; `cancelled` where the peer went away.",
            ["status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "veilmesh_chaincode_transaction_seconds",
            "Time from a transaction's arrival to its response.",
            registry=self.registry,
        )

    @contextmanager
    def transaction(self) -> Iterator[Outcome]:
        """Count one transaction and its time; its status is set on what is yielded."""
        outcome = Outcome()
        started = time.perf_counter()
        self._running.inc()
        try:
            yield outcome
        finally:
            self._running.dec()
            self._transactions.labels("cancelled" if outcome.status is None else outcome.status).inc()
            self._seconds.observe(time.perf_counter() - started)
