"""Searches for a face among many: who may make them, for what, and what is on record."""

import pytest
from veilmesh_chaincode.records.audit import GetStatistics, LogSearch, SearchLogEntry, Statistics
from veilmesh_chaincode.records.enrolment import Renewal
from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.refusals import RefusalCode
from veilmesh_chaincode.records.registry import NodeRole

from tests.unit.chaincode.consortium import AUDITOR, MODEL, World, digest, identity, node_name, sidecar
from tests.unit.chaincode.refusing import refuses

SEARCH = LogSearch(
    purpose="identification",
    model_digest=MODEL,
    picture_commitment=digest("picture"),
    face_count=3,
    gallery_count=1000,
    match_count=1,
)
AN_AUDITOR = identity(AUDITOR, "auditor")


async def test_a_search_is_on_record(world: World) -> None:
    entry = await world.call(sidecar("Org1MSP"), "audit:LogSearch", SEARCH, SearchLogEntry)
    assert entry.node_id == node_name("Org1MSP")
    assert entry.msp_id == "Org1MSP"
    assert entry.at_s == world.now_s
    assert dict(SEARCH).items() <= dict(entry).items()
    await world.call(sidecar("Org2MSP"), "audit:LogSearch", SEARCH, SearchLogEntry)
    page = await world.call(AN_AUDITOR, "audit:ListSearches", PageRequest(), Page[SearchLogEntry])
    assert {each.msp_id for each in page.entries} == {"Org1MSP", "Org2MSP"}
    statistics = await world.call(AN_AUDITOR, "audit:Statistics", GetStatistics(), Statistics)
    assert statistics.counts["search.logged"] == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"purpose": "marketing"}, RefusalCode.PURPOSE_NOT_ALLOWED),
        ({"model_digest": digest("another")}, RefusalCode.MODEL_NOT_APPROVED),
        ({"match_count": 4}, RefusalCode.MALFORMED),
    ],
)
async def test_what_may_not_be_searched(
    world: World, changes: dict[str, str | int], code: RefusalCode
) -> None:
    with refuses(code):
        await world.call(sidecar("Org1MSP"), "audit:LogSearch", SEARCH.replace(**changes), SearchLogEntry)


async def test_only_an_active_owners_node_searches(world: World) -> None:
    await world.add_node("Org1MSP", 2, [NodeRole.WORKER])
    with refuses(RefusalCode.ROLE_MISSING):
        await world.call(sidecar("Org1MSP", 2), "audit:LogSearch", SEARCH, SearchLogEntry)
    await world.suspend_node(node_name("Org2MSP"), "Org2MSP")
    with refuses(RefusalCode.NODE_NOT_ACTIVE):
        await world.call(sidecar("Org2MSP"), "audit:LogSearch", SEARCH, SearchLogEntry)


async def test_a_renewal_says_whether_the_old_template_was_compared(world: World) -> None:
    reference = await world.enrol("Org1MSP")
    assert reference.renewal is None
    reference = await world.update("Org1MSP", reference)
    assert reference.renewal is Renewal.COMPARED
    reference = await world.update("Org1MSP", reference, renewal=Renewal.REPLACED)
    assert reference.renewal is Renewal.REPLACED
