"""The ledger goes away, the other node goes away: what callers hear, and what happens after."""

import grpc
import pytest
from veilmesh.v1 import node_pb2, outcome_pb2
from veilmesh_network import running

from tests.integration.node.live_consortium import TERMS, LiveConsortium, LiveNode, portrait, refused

pytestmark = [pytest.mark.faces, pytest.mark.slow]


@pytest.fixture(scope="module")
def org1(consortium: LiveConsortium) -> LiveNode:
    return consortium.nodes["org1-node"]


@pytest.fixture(scope="module")
def org2(consortium: LiveConsortium) -> LiveNode:
    return consortium.nodes["org2-node"]


async def enrolled(node: LiveNode) -> str:
    response = await node.call("Enrol", node_pb2.EnrolRequest(photos=[portrait()]))
    reference_id: str = response.reference.reference_id
    return reference_id


async def test_the_journal_resumes_when_the_ledger_is_back(org1: LiveNode) -> None:
    revoked, erased = await enrolled(org1), await enrolled(org1)
    network = org1.consortium.network
    running.down(network.folder)
    async with refused(grpc.StatusCode.UNAVAILABLE, "LEDGER_UNAVAILABLE") as detail:
        await org1.call("Enrol", node_pb2.EnrolRequest(photos=[portrait()]))
    assert not detail.operation_id, "nothing was begun"
    async with refused(grpc.StatusCode.UNAVAILABLE, "LEDGER_UNAVAILABLE") as detail:
        await org1.call("Revoke", node_pb2.RevokeRequest(reference_id=revoked))
    assert detail.operation_id
    assert "goes on by itself" in detail.hint
    async with refused(grpc.StatusCode.UNAVAILABLE, "LEDGER_UNAVAILABLE"):
        await org1.call("Erase", node_pb2.EraseRequest(reference_id=erased))
    away = await org1.status()
    assert (away.ledger_reachable, away.agreement_checked, away.reference_count) == (False, False, 1)
    assert [(each.kind, each.step) for each in away.unfinished] == [
        ("revoke", "started"),
        ("erase", "destroyed"),
    ]

    running.up(network.folder)
    back = await org1.settled()
    assert back.ledger_reachable
    assert list(back.disagreements) == []
    page = await org1.call("ListReferences", node_pb2.ListReferencesRequest())
    assert {each.reference_id: each.status for each in page.references} == {
        revoked: "revoked",
        erased: "erased",
    }


async def test_an_owner_who_is_away_costs_no_attempt(org1: LiveNode, org2: LiveNode) -> None:
    reference_id = await enrolled(org1)
    request = node_pb2.VerifyRequest(photo=portrait(1), reference_id=reference_id, purpose="travel")
    org1.kill()
    for _ in range(TERMS.attempt_limit + 1):
        async with refused(grpc.StatusCode.UNAVAILABLE, "PEER_UNAVAILABLE") as detail:
            await org2.call("Verify", request)
    assert "does not count" in detail.hint
    org1.launch()
    await org1.wait_until_answering()
    assert (await org2.call("Verify", request)).outcome == outcome_pb2.OUTCOME_MATCH
    assert not (await org2.settled()).disagreements
