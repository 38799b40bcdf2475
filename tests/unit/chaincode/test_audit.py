from collections import Counter

import pytest
from veilmesh_chaincode.records.audit import (
    AccessLogEntry,
    GetStatistics,
    GetTrail,
    LogAccess,
    Statistics,
    Trail,
)
from veilmesh_chaincode.records.authentication import Outcome
from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.refusals import RefusalCode

from tests.unit.chaincode.consortium import AUDITOR, World, identity, operator, sidecar
from tests.unit.chaincode.refusing import refuses

AUDITORS = [identity(AUDITOR, "auditor"), identity("Org3MSP", "auditor")]


async def lived(world: World) -> str:
    """One reference in three states, with three authentications."""
    reference = await world.enrol("Org1MSP")
    reference = await world.update("Org1MSP", reference)
    for outcome in (Outcome.MATCH, Outcome.NO_MATCH):
        opened = await world.open("Org2MSP", reference.reference_id)
        await world.conclude("Org1MSP", opened.authentication_id, outcome)
    await world.open("Org2MSP", reference.reference_id)
    await world.erase("Org1MSP", reference.reference_id)
    return reference.reference_id


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 100])
async def test_the_trail_in_pages(world: World, limit: int) -> None:
    reference_id = await lived(world)
    versions, authentications, bookmark = [], set(), ""
    while True:
        request = GetTrail(reference_id=reference_id, limit=limit, bookmark=bookmark)
        trail = await world.call(AUDITORS[0], "audit:Trail", request, Trail)
        assert len(trail.history) + len(trail.authentications) <= limit
        versions += [(entry.reference.version, entry.reference.status.value) for entry in trail.history]
        authentications |= {(a.status.value, a.outcome) for a in trail.authentications}
        if not (bookmark := trail.bookmark):
            break
    assert versions == [(2, "erased"), (2, "active"), (1, "active")]
    assert authentications == {
        ("concluded", Outcome.MATCH),
        ("concluded", Outcome.NO_MATCH),
        ("open", None),
    }


async def test_the_trail_is_for_auditors_and_the_owner(world: World) -> None:
    request = GetTrail(reference_id=await lived(world))
    for reader in (*AUDITORS, operator("Org1MSP"), sidecar("Org1MSP")):
        await world.call(reader, "audit:Trail", request, Trail)
    for reader in (operator("Org2MSP"), sidecar("Org3MSP")):
        with refuses(RefusalCode.NOT_OWNER):
            await world.call(reader, "audit:Trail", request, Trail)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
async def test_statistics_add_up_over_pages(world: World, limit: int) -> None:
    await lived(world)
    await world.enrol("Org2MSP")
    counts: Counter[str] = Counter()
    bookmark = ""
    while True:
        request = GetStatistics(limit=limit, bookmark=bookmark)
        page = await world.call(AUDITORS[1], "audit:Statistics", request, Statistics)
        assert sum(page.counts.values()) <= limit
        counts.update(page.counts)
        if not (bookmark := page.bookmark):
            break
    assert counts == {
        "node.active": 3,
        "model.approved": 1,
        "policy.adopted": 1,
        "reference.active": 1,
        "reference.erased": 1,
        "authentication.match": 1,
        "authentication.no-match": 1,
        "authentication.open": 1,
    }


async def test_statistics_are_for_auditors(world: World) -> None:
    with refuses(RefusalCode.ACCESS_DENIED):
        await world.call(operator("Org1MSP"), "audit:Statistics", GetStatistics(), Statistics)


@pytest.mark.parametrize("bookmark", ["reference-by-owner:", "attempts:0", "x", ":"])
async def test_foreign_bookmarks(world: World, bookmark: str) -> None:
    trail = GetTrail(reference_id=await lived(world), bookmark=bookmark)
    with refuses(RefusalCode.MALFORMED):
        await world.call(AUDITORS[0], "audit:Trail", trail, Trail)
    with refuses(RefusalCode.MALFORMED):
        await world.call(AUDITORS[0], "audit:Statistics", GetStatistics(bookmark=bookmark), Statistics)


async def test_an_auditors_questions_are_on_record_in_order_of_time(world: World) -> None:
    for number, auditor in enumerate(AUDITORS * 2):
        world.now_s += 1
        request = LogAccess(question=f"question {number}")
        entry = await world.call(auditor, "audit:LogAccess", request, AccessLogEntry)
        assert (entry.msp_id, entry.identity_sha256) == (auditor.msp_id, auditor.identity_sha256)
    page = await world.call(
        operator("Org1MSP"), "audit:ListAccess", PageRequest(limit=3), Page[AccessLogEntry]
    )
    assert [entry.question for entry in page.entries] == ["question 0", "question 1", "question 2"]
    rest = PageRequest(bookmark=page.bookmark)
    page = await world.call(operator("Org1MSP"), "audit:ListAccess", rest, Page[AccessLogEntry])
    assert [entry.question for entry in page.entries] == ["question 3"]
