"""Counters of a node for Prometheus: calls and outcomes, never a name, a reference or a score."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from veilmesh_fabric.failover import Gateways

from veilmesh_node.certificates import NodeCertificates
from veilmesh_node.errors import HomeError


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

    def watch(self, certificates: NodeCertificates, gateways: Gateways) -> None:
        """Tell from now on how long certificates hold, and what is wrong with renewals and gateways."""
        expiry = Gauge(
            "veilmesh_certificate_expiry_seconds",
            "Unix time at which a certificate in use expires.",
            ["certificate"],
            registry=self.registry,
        )
        waits = Gauge(
            "veilmesh_renewal_waits",
            "1 if files of a certificate have changed and cannot be used, else 0.",
            ["certificate"],
            registry=self.registry,
        )
        away = Gauge("veilmesh_gateways_away", "Gateways that do not answer.", registry=self.registry)
        identity, tls = certificates.identity, certificates.tls
        expiry.labels("identity").set_function(lambda: _unix_s(identity().certificate.not_after))
        expiry.labels("tls").set_function(lambda: _unix_s(tls().pair.certificate.not_valid_after_utc))
        waits.labels("identity").set_function(lambda: float(bool(identity.failure)))
        waits.labels("tls").set_function(lambda: float(bool(tls.failure)))
        away.set_function(lambda: float(len(gateways.away)))

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


def _unix_s(moment: datetime) -> float:
    return moment.timestamp()


@contextmanager
def metrics_served(address: str | None, registry: CollectorRegistry) -> Iterator[None]:
    """Serve counters for Prometheus at host:port while the context is open, where an address is set.

    Raises:
        HomeError: nothing can listen there.
    """
    if address is None:
        yield
        return
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as err:
        raise HomeError(f"cannot listen on {address}: {err.strerror}") from err
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
