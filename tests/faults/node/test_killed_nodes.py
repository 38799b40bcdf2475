"""`kill -9` at each journalled step of enrol, update, erase and verify.

Each test arms a node to kill itself at one point, has it work until then, starts it again, and looks: is the
operation done or undone, is nothing doubled or left over, do vault, content store and ledger agree?

The points are those right after each record, and those where the ledger knows already what the journal does
not. `test_every_step.py` goes through all there are.
"""

import asyncio
from pathlib import Path

import grpc
import pytest
from veilmesh.v1 import node_pb2, outcome_pb2
from veilmesh_chaincode.records.authentication import (
    Authentication,
    AuthenticationStatus,
    ListAuthentications,
)
from veilmesh_chaincode.records.enrolment import ReferenceStatus
from veilmesh_chaincode.records.pages import Page

from tests.faults.node.crashes import crash_file, die_in_call, enrolled, owned, restart, started
from tests.integration.node.live_consortium import LiveConsortium, LiveNode, portrait, refused

pytestmark = [pytest.mark.faces, pytest.mark.slow]


ENROL = [
    "enrol:started:after",
    "enrol:planned:after",
    "enrol:sealed:before",
    "enrol:sealed:after",
    "enrol:endorsed:after",
    "enrol:registered:before",
    "enrol:registered:after",
    "enrol:anchoring:after",
    "enrol:done:before",
    "enrol:done:after",
]
UPDATE = [point.replace("enrol", "update") for point in ENROL]
ERASE = [
    "erase:started:after",
    "erase:destroyed:after",
    "erase:endorsed:after",
    "erase:committed:before",
    "erase:committed:after",
    "erase:done:after",
]
VERIFY = [
    "verify:started:after",
    "verify:endorsed:after",
    "verify:opened:before",
    "verify:opened:after",
    "verify:done:before",
    "verify:done:after",
]
DECIDE = [
    "decide:started:after",
    "decide:decided:after",
    "decide:endorsed:after",
    "decide:done:before",
    "decide:done:after",
]


@pytest.fixture(scope="module")
def org1(consortium: LiveConsortium) -> LiveNode:
    return started(consortium.nodes["org1-node"])


@pytest.fixture(scope="module")
def org2(consortium: LiveConsortium) -> LiveNode:
    return started(consortium.nodes["org2-node"])


def stored_content(node: LiveNode) -> set[str]:
    folder: Path = node.home.content
    return {path.name for path in folder.glob("??/*")}


@pytest.fixture(scope="module")
def reference_id(org1: LiveNode) -> str:
    """A reference of org1's that the tests share."""
    return asyncio.run(enrolled(org1))


@pytest.mark.parametrize("point", ENROL)
async def test_enrol(org1: LiveNode, point: str) -> None:
    before = await owned(org1)
    request = node_pb2.EnrolRequest(photos=[portrait()], idempotency_key=point)
    await die_in_call(org1, point, "Enrol", request)
    status = await restart(org1)
    recovered = await owned(org1)
    assert len(recovered) - len(before) in {0, 1}
    assert status.reference_count == sum(
        reference.status is ReferenceStatus.ACTIVE for reference in recovered.values()
    )
    response = await org1.call("Enrol", request)
    after = await owned(org1)
    assert after.keys() - before.keys() == {response.reference.reference_id}


@pytest.mark.parametrize("point", UPDATE)
async def test_update(org1: LiveNode, reference_id: str, point: str) -> None:
    before = (await owned(org1))[reference_id].version
    request = node_pb2.UpdateRequest(reference_id=reference_id, photos=[portrait(1)], idempotency_key=point)
    await die_in_call(org1, point, "Update", request)
    await restart(org1)
    assert (await owned(org1))[reference_id].version - before in {0, 1}
    response = await org1.call("Update", request)
    assert response.reference.version == before + 1
    assert (await owned(org1))[reference_id].version == before + 1
    assert response.receipt


@pytest.mark.parametrize("point", ERASE)
async def test_erase(org1: LiveNode, point: str) -> None:
    reference_id = await enrolled(org1)
    cid = (await owned(org1))[reference_id].surrogate_cid
    assert cid in stored_content(org1)
    await die_in_call(org1, point, "Erase", node_pb2.EraseRequest(reference_id=reference_id))
    await restart(org1)
    left = await owned(org1)
    assert left[reference_id].status is ReferenceStatus.ERASED
    in_use = {each.surrogate_cid for each in left.values() if each.status is not ReferenceStatus.ERASED}
    assert stored_content(org1) == in_use


async def authentications(node: LiveNode, reference_id: str) -> list[Authentication]:
    async with node.ledger() as ledger:
        request = ListAuthentications(reference_id=reference_id)
        page = await ledger._evaluate("authentication:List", request, Page[Authentication])
    return page.entries


@pytest.mark.parametrize("point", VERIFY)
async def test_verify_where_the_relying_node_dies(
    org1: LiveNode, org2: LiveNode, reference_id: str, point: str
) -> None:
    known = len(await authentications(org1, reference_id))
    request = node_pb2.VerifyRequest(
        photo=portrait(1), reference_id=reference_id, purpose="travel", idempotency_key=point
    )
    await die_in_call(org2, point, "Verify", request)
    await restart(org2)
    assert not (await org1.settled()).disagreements
    left = await authentications(org1, reference_id)
    assert len(left) - known in {0, 1}
    assert all(each.status is not AuthenticationStatus.OPEN for each in left)
    verified = await org2.call("Verify", request)
    assert verified.outcome == outcome_pb2.OUTCOME_MATCH


@pytest.mark.parametrize("point", DECIDE)
async def test_verify_where_the_owners_node_dies(
    org1: LiveNode, org2: LiveNode, reference_id: str, point: str
) -> None:
    known = {each.authentication_id for each in await authentications(org1, reference_id)}
    crash_file(org1).write_text(point)
    request = node_pb2.VerifyRequest(photo=portrait(1), reference_id=reference_id, purpose="travel")
    # Where the owner's node had concluded before it died, the relying node hears it from the ledger.
    if point.startswith("decide:done"):
        assert (await org2.call("Verify", request)).outcome == outcome_pb2.OUTCOME_MATCH
    else:
        async with refused(grpc.StatusCode.UNAVAILABLE, "PEER_UNAVAILABLE"):
            await org2.call("Verify", request)
    await restart(org1)
    assert not (await org2.settled()).unfinished
    (left,) = [
        each for each in await authentications(org1, reference_id) if each.authentication_id not in known
    ]
    assert left.status is not AuthenticationStatus.OPEN
    assert (await org2.call("Verify", request)).outcome == outcome_pb2.OUTCOME_MATCH
