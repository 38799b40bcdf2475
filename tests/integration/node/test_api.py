"""The organisation's own service: the whole life of a reference, who may call, what a caller is told."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.request import urlopen

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from grpc_health.v1 import health_pb2, health_pb2_grpc
from veilmesh.v1 import node_pb2, outcome_pb2
from veilmesh_network.certificates import NodeRole, Validity
from veilmesh_node.content import content_id
from veilmesh_node.domain import receipt as receipts
from veilmesh_node.domain.commitment import commit_input
from veilmesh_node.domain.receipt import SignedReceipt
from veilmesh_node.domain.secret import Secret
from veilmesh_node.rpc.failures import detail_of

from tests.integration.node.live_consortium import LiveConsortium, LiveNode, portrait, refused

pytestmark = pytest.mark.faces

MATCH, NO_MATCH = outcome_pb2.OUTCOME_MATCH, outcome_pb2.OUTCOME_NO_MATCH


async def enrol(node: LiveNode, *, number: int = 0, key: str = "") -> node_pb2.EnrolResponse:
    request = node_pb2.EnrolRequest(photos=[portrait(number)], consent=b"I agree", idempotency_key=key)
    response: node_pb2.EnrolResponse = await node.call("Enrol", request)
    return response


def probe(reference_id: str, *, number: int = 1, purpose: str = "travel") -> node_pb2.VerifyRequest:
    return node_pb2.VerifyRequest(photo=portrait(number), reference_id=reference_id, purpose=purpose)


async def test_the_life_of_a_reference(org1: LiveNode, org2: LiveNode) -> None:
    enrolled = await enrol(org1)
    reference_id = enrolled.reference.reference_id
    assert enrolled.reference.owner_msp_id == "Org1MSP"

    verified = await org2.call("Verify", probe(reference_id))
    assert (verified.outcome, verified.decider_node_id) == (MATCH, "org1-node")

    updated = await org1.call(
        "Update", node_pb2.UpdateRequest(reference_id=reference_id, photos=[portrait(2), portrait(3)])
    )
    assert updated.reference.version == 2
    assert (await org2.call("Verify", probe(reference_id))).outcome == MATCH

    surrogate = await org1.call("GetSurrogate", node_pb2.GetSurrogateRequest(reference_id=reference_id))
    assert surrogate.cid == content_id(surrogate.image) == updated.reference.surrogate_cid
    signed = SignedReceipt.from_bytes(surrogate.receipt)
    receipts.check(signed)
    assert signed.receipt.sha256() == updated.reference.receipt_sha256
    assert signed.receipt.output_sha256 == sha256(surrogate.image).hexdigest()

    revocation = node_pb2.RevokeRequest(reference_id=reference_id, reason="withdrawn-consent")
    assert (await org1.call("Revoke", revocation)).reference.status == "revoked"
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "REFERENCE_NOT_ACTIVE"):
        await org2.call("Verify", probe(reference_id))

    erased = await org1.call("Erase", node_pb2.EraseRequest(reference_id=reference_id))
    assert erased.reference.status == "erased"
    async with refused(grpc.StatusCode.NOT_FOUND, "CONTENT_NOT_FOUND"):
        await org1.call("GetSurrogate", node_pb2.GetSurrogateRequest(reference_id=reference_id))

    history = await org2.call("GetHistory", node_pb2.GetHistoryRequest(reference_id=reference_id))
    assert [(entry.reference.version, entry.reference.status) for entry in history.entries] == [
        (1, "active"),
        (2, "active"),
        (2, "revoked"),
        (2, "erased"),
    ]
    assert not (await org1.settled()).disagreements


async def test_lists_come_in_pages(org1: LiveNode, org2: LiveNode) -> None:
    for number in range(2):
        await enrol(org2, number=number)
    seen, bookmark = [], ""
    while True:
        request = node_pb2.ListReferencesRequest(owner_msp_id="Org2MSP", limit=1, bookmark=bookmark)
        page = await org1.call("ListReferences", request)
        seen += [reference.reference_id for reference in page.references]
        bookmark = page.bookmark
        if not bookmark:
            break
    assert len(seen) == len(set(seen)) >= 2


async def test_the_same_enrolment_twice_at_once(org1: LiveNode) -> None:
    results = await asyncio.gather(*(enrol(org1, key="twice") for _ in range(2)), return_exceptions=True)
    answers = [result for result in results if isinstance(result, node_pb2.EnrolResponse)]
    failures = [result for result in results if isinstance(result, grpc.aio.AioRpcError)]
    assert len(answers) == 1
    assert detail_of(failures[0]).code == "IN_PROGRESS"
    assert (await enrol(org1, key="twice")).reference == answers[0].reference


async def test_photos_that_will_not_do(org1: LiveNode) -> None:
    requests = {
        "not a picture": node_pb2.EnrolRequest(photos=[b"this is no picture"]),
        "no face": node_pb2.EnrolRequest(photos=[blank()]),
        "none": node_pb2.EnrolRequest(),
    }
    before = (await org1.settled()).reference_count
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "SAMPLE_REJECTED"):
        await org1.call("Enrol", requests["not a picture"])
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "SAMPLE_REJECTED") as detail:
        await org1.call("Enrol", requests["no face"])
    assert list(detail.reasons) == ["photo 1: no face was found"]
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await org1.call("Enrol", requests["none"])
    assert (await org1.settled()).reference_count == before


def blank() -> bytes:
    from io import BytesIO

    from PIL import Image

    stream = BytesIO()
    Image.new("RGB", (200, 200), "grey").save(stream, format="PNG")
    return stream.getvalue()


async def test_requests_that_say_nothing_possible(org1: LiveNode, org2: LiveNode) -> None:
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await org2.call("Verify", probe("not an id"))
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await org2.call("Verify", probe("0" * 32, purpose="No Such Purpose"))
    async with refused(grpc.StatusCode.NOT_FOUND, "NOT_FOUND"):
        await org2.call("Verify", probe("0" * 32))
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await org1.call("Erase", node_pb2.EraseRequest(reference_id="0" * 32, idempotency_key="k" * 129))
    reference_id = (await enrol(org1)).reference.reference_id
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "PURPOSE_NOT_ALLOWED") as detail:
        await org2.call("Verify", probe(reference_id, purpose="advertising"))
    assert "policy show" in detail.hint


async def test_a_node_that_nobody_approved_may_not_enrol(org3: LiveNode) -> None:
    async with refused(grpc.StatusCode.FAILED_PRECONDITION, "NODE_NOT_ACTIVE"):
        await enrol(org3)
    status = await org3.settled()
    assert (status.registration, status.reference_count) == ("pending", 0)


async def test_receipts_for_released_images(org1: LiveNode) -> None:
    digest = sha256(b"an image").hexdigest()
    draft = node_pb2.ReceiptDraft(
        input_sha256=digest,
        output_sha256=digest,
        methods=["mask"],
        parameters_sha256=digest,
        model_digest=digest,
        gate_verdict="passed",
    )
    batch = await org1.call(
        "IssueReceipts", node_pb2.IssueReceiptsRequest(drafts=[draft] * 3), identity="application"
    )
    for issued in batch.receipts:
        signed = SignedReceipt.from_bytes(issued.receipt)
        receipts.check(signed)
        assert signed.inclusion is not None
        assert (signed.inclusion.merkle_root, signed.inclusion.leaf_count) == (batch.merkle_root, 3)
        assert signed.receipt.input_commitment == commit_input(Secret(issued.input_salt), digest)
    draft.gate_verdict = "failed"
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await org1.call("IssueReceipts", node_pb2.IssueReceiptsRequest(drafts=[draft]))


async def test_an_application_may_not_erase(org1: LiveNode) -> None:
    request = node_pb2.EraseRequest(reference_id="0" * 32)
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"):
        await org1.call("Erase", request, identity="application")


async def call_as(node: LiveNode, identity: Any) -> node_pb2.GetStatusResponse:
    async with node.api(identity) as stub:
        status: node_pb2.GetStatusResponse = await stub.GetStatus(node_pb2.GetStatusRequest(), timeout=10)
        return status


@pytest.mark.parametrize(
    ("name", "attributes", "status", "code"),
    [
        ("roleless", {}, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ("auditing", {"role": "auditor"}, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
    ],
)
async def test_the_right_authority_is_not_enough(
    org1: LiveNode, name: str, attributes: dict[str, str], status: grpc.StatusCode, code: str
) -> None:
    identity = org1.organisation.issue(name, role=NodeRole.CLIENT, attributes=attributes)
    async with refused(status, code):
        await call_as(org1, identity)


async def test_strangers_and_the_expired_do_not_get_in(org1: LiveNode, org2: LiveNode) -> None:
    now = datetime.now(UTC)
    expired = org1.organisation.issue(
        "expired",
        role=NodeRole.CLIENT,
        attributes={"role": "operator"},
        validity=Validity(now - timedelta(days=2), now - timedelta(days=1)),
    )
    for identity in (expired, org2.organisation.identity("operator")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_as(org1, identity)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE, "the handshake must fail"


async def test_the_revoked_do_not_get_in(org1: LiveNode) -> None:
    """From the next call on, and no restart; a list that says nothing readable stops everybody."""
    leaver = org1.organisation.issue("leaver", role=NodeRole.CLIENT, attributes={"role": "operator"})
    await call_as(org1, leaver)
    certificate = x509.load_pem_x509_certificate(leaver.certificate.read_bytes())
    org1.home.client_crls.mkdir()
    path = org1.home.client_crls / "crl.pem"
    path.write_bytes(org1.organisation.signing.revoke([certificate]).public_bytes(Encoding.PEM))
    try:
        async with refused(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"):
            await call_as(org1, leaver)
        await call_as(org1, org1.organisation.identity("application"))
        path.write_bytes(b"no list")
        async with refused(grpc.StatusCode.FAILED_PRECONDITION, "HOME"):
            await call_as(org1, org1.organisation.identity("application"))
    finally:
        path.unlink()
    await call_as(org1, leaver)


async def test_an_oversized_request_is_refused(org1: LiveNode) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await org1.call("Enrol", node_pb2.EnrolRequest(photos=[bytes(65 * 1024 * 1024)]))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def read_page(url: str) -> str:
    with urlopen(url, timeout=10) as page:  # noqa: S310 - loopback
        text: str = page.read().decode()
        return text


async def test_health_and_metrics(org1: LiveNode) -> None:
    identity = org1.organisation.identity("application")
    roots = (org1.organisation.dir / "tlsca" / "cert.pem").read_bytes()
    credentials = grpc.ssl_channel_credentials(
        roots, identity.key.read_bytes(), identity.certificate.read_bytes()
    )
    async with grpc.aio.secure_channel(org1.config.api_listen, credentials) as channel:
        request = health_pb2.HealthCheckRequest(service="veilmesh.v1.Node")
        health = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    await org1.status()
    text = await asyncio.to_thread(read_page, f"http://{org1.config.metrics_listen}/metrics")
    assert 'veilmesh_calls_total{method="GetStatus",result="ok"}' in text
    assert "veilmesh_ledger_reachable 1.0" in text


async def test_the_log_tells_ids_and_nothing_of_a_face(consortium: LiveConsortium) -> None:
    """Whatever the other tests did: no feature, no salt, no key is in any log."""
    from veilmesh_node.faces import MlFaces

    faces = MlFaces()
    features = (await faces.find_sample(portrait(0))).features
    faces.close()
    for node in consortium.nodes.values():
        log = node.log.read_text()
        assert log
        assert not any(f"{value:.6f}"[:8] in log for value in features.values if abs(value) > 0.01)
        for secret in (node.home.key_file, node.home.tls_key):
            content = secret.read_text()
            if secret.suffix == ".key" and content.startswith("{"):
                content = json.loads(content)["wrapped_key"]
            assert content not in log
        assert "correct horse" not in log
