"""Counters of a head for Prometheus: machines, admissions, items; never a file's name."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge
from veilmesh.v1 import cluster_pb2

from veilmesh_node.cluster.errors import AdmissionRefusedError
from veilmesh_node.cluster.membership import Roster, State


class HeadMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._workers = Gauge(
            "veilmesh_cluster_workers", "Machines by state.", ["state"], registry=self.registry
        )
        self._admissions = Counter(
            "veilmesh_cluster_admissions",
            "Machines that wanted to join, by result.",
            ["result"],
            registry=self.registry,
        )
        self.sent_away = Counter(
            "veilmesh_cluster_sent_away",
            "Machines that may work no more, and strangers in Ray.",
            registry=self.registry,
        )
        self._items = Counter(
            "veilmesh_cluster_items",
            "Items done, by task and node.",
            ["task", "node"],
            registry=self.registry,
        )
        self._failed = Counter(
            "veilmesh_cluster_items_failed", "Items that failed, by task.", ["task"], registry=self.registry
        )
        self._waiting = Gauge(
            "veilmesh_cluster_items_waiting", "Items of a running job still to do.", registry=self.registry
        )

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Count one machine that wants to join."""
        result = "failed"
        try:
            yield
            result = "admitted"
        except AdmissionRefusedError:
            result = "refused"
            raise
        finally:
            self._admissions.labels(result).inc()

    def count(self, roster: Roster, now_s: float) -> None:
        """Set how many machines there are."""
        states = [each.state(now_s) for each in roster.members]
        for state in State:
            self._workers.labels(state).set(states.count(state))

    def hear(self, earlier: cluster_pb2.Progress | None, progress: cluster_pb2.Progress) -> None:
        """Add what a job has done since it last said so."""
        for node_id, done in progress.done_by.items():
            before = 0 if earlier is None else earlier.done_by.get(node_id, 0)
            self._items.labels(progress.task, node_id).inc(max(0, done - before))
        failed_before = 0 if earlier is None else earlier.failed
        self._failed.labels(progress.task).inc(max(0, progress.failed - failed_before))
        self._waiting.set(0 if progress.ended else progress.items - progress.done)
