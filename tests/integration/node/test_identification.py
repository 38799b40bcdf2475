"""1:N and renewals through the node's own service, with dlib and a real ledger."""

from io import BytesIO

import grpc
import pytest
from veilmesh.v1 import node_pb2
from veilmesh_chaincode.records.audit import SearchLogEntry
from veilmesh_chaincode.records.pages import Page, PageRequest

from tests.integration.node.live_consortium import LiveNode, portrait, refused

pytestmark = pytest.mark.faces


def twice_and_a_wall(number: int) -> bytes:
    """Return a picture of the astronaut beside herself, and of nobody beyond."""
    from PIL import Image

    with Image.open(BytesIO(portrait(number))) as one:
        both = Image.new("RGB", (3 * one.width, one.height), "white")
        both.paste(one, (0, 0))
        both.paste(one, (one.width, 0))
    stream = BytesIO()
    both.save(stream, format="PNG")
    return stream.getvalue()


async def searches(node: LiveNode) -> list[SearchLogEntry]:
    async with node.ledger() as ledger:
        page = await ledger._evaluate("audit:ListSearches", PageRequest(limit=1000), Page[SearchLogEntry])
    return page.entries


async def test_identify(org1: LiveNode) -> None:
    request = node_pb2.EnrolRequest(photos=[portrait(), portrait(1), portrait(2)], name="Eileen")
    enrolled = (await org1.call("Enrol", request)).reference
    found = await org1.call(
        "Identify", node_pb2.IdentifyRequest(photo=twice_and_a_wall(3)), identity="application"
    )
    assert len(found.faces) == 2
    # Other tests enrol her, too: the nearest of all her references is named.
    owned = await org1.call("ListReferences", node_pb2.ListReferencesRequest())
    active = {each.reference_id for each in owned.references if each.status == "active"}
    assert enrolled.reference_id in active
    for face in found.faces:
        assert face.reference.reference_id in active
        assert 0.9 < face.reference.similarity <= 1
        assert len(face.landmarks) == 68
        assert 0 < face.clarity <= 1
        assert all(face.box.left - 20 <= point.x <= face.box.right + 20 for point in face.landmarks)
    (entry,) = [each for each in await searches(org1) if each.tx_id == found.search_tx_id]
    assert (entry.node_id, entry.face_count, entry.match_count) == ("org1-node", 2, 2)

    others = active - {enrolled.reference_id}
    for reference_id in others:
        await org1.call("Revoke", node_pb2.RevokeRequest(reference_id=reference_id))
    found = await org1.call("Identify", node_pb2.IdentifyRequest(photo=portrait(3)))
    assert [(face.reference.reference_id, face.reference.name) for face in found.faces] == [
        (enrolled.reference_id, "Eileen")
    ]
    assert found.searched >= 1


async def test_identify_nobody(org1: LiveNode) -> None:
    from PIL import Image

    stream = BytesIO()
    Image.new("RGB", (300, 300), "grey").save(stream, format="PNG")
    known = len(await searches(org1))
    found = await org1.call("Identify", node_pb2.IdentifyRequest(photo=stream.getvalue()))
    assert list(found.faces) == []
    assert found.search_tx_id == ""
    assert len(await searches(org1)) == known


async def test_only_an_operator_sets_a_template_aside(org1: LiveNode) -> None:
    enrolled = (await org1.call("Enrol", node_pb2.EnrolRequest(photos=[portrait()]))).reference
    request = node_pb2.UpdateRequest(reference_id=enrolled.reference_id, photos=[portrait(1)])
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"):
        await org1.call("Replace", request, identity="application")
    updated = (await org1.call("Update", request, identity="application")).reference
    assert updated.renewal == "compared"
    replaced = (await org1.call("Replace", request)).reference
    assert replaced.renewal == "replaced"
    history = await org1.call("GetHistory", node_pb2.GetHistoryRequest(reference_id=enrolled.reference_id))
    assert [entry.reference.renewal for entry in history.entries] == ["", "compared", "replaced"]
