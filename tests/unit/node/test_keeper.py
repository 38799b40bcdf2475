"""The keeper resumes what waits, and outlives what goes wrong in one of its rounds."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from veilmesh_node import keeper
from veilmesh_node.errors import LedgerUnavailableError
from veilmesh_node.health import SERVICES, Health
from veilmesh_node.keeper import Keeper
from veilmesh_node.metrics import Metrics

from tests.unit.node.plugs import MemoryConsortium, MemoryNode, enrol_request, photo


@pytest.fixture
def org1(consortium: MemoryConsortium, monkeypatch: pytest.MonkeyPatch) -> MemoryNode:
    monkeypatch.setattr(keeper, "INTERVAL_S", 0.005)
    return consortium.nodes["Org1MSP"]


@asynccontextmanager
async def kept(
    node: MemoryNode, *, endpoint: str = "127.0.0.1:7443", health: Health | None = None
) -> AsyncIterator[Metrics]:
    metrics = Metrics()
    publication = node.registration().replace(endpoint=endpoint)
    async with Keeper(node.node.environment, lambda: publication, metrics, health or Health()).at_work():
        yield metrics


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - the keeper tells nobody that a round is over
            await asyncio.sleep(0.005)


async def until_told(health: Health, status: int) -> None:
    async with asyncio.timeout(5):
        for service in SERVICES:
            while (await health.servicer.Check(HealthCheckRequest(service=service), None)).status != status:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)


def unfinished(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("veilmesh_unfinished_operations")


async def waiting_revocation(node: MemoryNode) -> None:
    reference = (await node.node.enrolment.enrol(enrol_request(photo("ada")))).reference
    node.ledger.down = True
    with pytest.raises(LedgerUnavailableError):
        await node.node.revocation.revoke(reference.reference_id, "compromised", idempotency_key="")


async def test_what_waits_is_resumed_when_the_ledger_is_back(org1: MemoryNode) -> None:
    await waiting_revocation(org1)
    async with kept(org1) as metrics:
        await until(lambda: unfinished(metrics) == 1)
        org1.ledger.down = False
        await until(lambda: unfinished(metrics) == 0)
    assert org1.journal.unfinished() == []


async def test_a_vault_that_fails_for_a_while_does_not_end_it(
    org1: MemoryNode, caplog: pytest.LogCaptureFixture
) -> None:
    await waiting_revocation(org1)
    org1.ledger.down = False
    assert org1.database is not None
    org1.database.execute("ALTER TABLE operations RENAME TO elsewhere")
    health = Health()
    async with kept(org1, health=health) as metrics:
        await until(lambda: "house is not kept: vault: no such table" in caplog.text)
        await until_told(health, HealthCheckResponse.NOT_SERVING)
        org1.database.execute("ALTER TABLE elsewhere RENAME TO operations")
        await until_told(health, HealthCheckResponse.SERVING)
        await until(lambda: org1.journal.unfinished() == [])
        await until(lambda: unfinished(metrics) == 0)
    assert caplog.text.count("house is not kept") == 1


async def test_a_defect_does_not_end_it_and_keeps_its_traceback(
    org1: MemoryNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    org1.ledger.endorsing_fails = ZeroDivisionError("a defect")
    async with kept(org1, endpoint="127.0.0.2:7443"):
        await until(lambda: "ZeroDivisionError: a defect" in caplog.text)
        org1.ledger.endorsing_fails = None
        await until(lambda: "is registered and pending" in caplog.text)
