"""Node to node: who is answered, what is not, and whom a node takes for another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from veilmesh.v1 import node_pb2, outcome_pb2
from veilmesh.v1.exchange_pb2 import SubmitProbeRequest, SubmitProbeResponse
from veilmesh.v1.exchange_pb2_grpc import ExchangeStub
from veilmesh_chaincode.records.authentication import Authentication, OpenAuthentication
from veilmesh_chaincode.records.enrolment import Reference, ReferenceKey
from veilmesh_chaincode.records.policy import ExchangeMode
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_fabric.connection import connect
from veilmesh_fabric.gateway import Gateway
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.retry import SystemClock
from veilmesh_fabric.tls import TlsPair
from veilmesh_node.domain.commitment import commit_probe, new_salt
from veilmesh_node.domain.secret import Features
from veilmesh_node.errors import LedgerRejectedError, PeerCertificateError, PeerUnavailableError
from veilmesh_node.exchange.client import ExchangeClient
from veilmesh_node.exchange.pinning import fetch_pinned
from veilmesh_node.exchange.service import MAX_MESSAGE_BYTES
from veilmesh_node.faces import MlFaces
from veilmesh_node.ledger import GatewayLedger
from veilmesh_node.ports import ERASE_REFERENCE, OPEN_AUTHENTICATION, EndorsedTransaction
from veilmesh_node.sealing import SUITE, seal
from veilmesh_node.verification import Probe, binding_of

from tests.integration.node.live_consortium import LiveNode, portrait, refused

pytestmark = pytest.mark.faces


@dataclass(frozen=True)
class Shown:
    """A certificate and key shown in a TLS handshake."""

    certificate: Path
    key: Path


def own(node: LiveNode) -> Shown:
    return Shown(node.home.tls_certificate, node.home.tls_key)


@asynccontextmanager
async def exchange(owner: LiveNode, shown: Shown) -> AsyncIterator[ExchangeStub]:
    credentials = grpc.ssl_channel_credentials(
        (owner.organisation.dir / "tlsca" / "cert.pem").read_bytes(),
        shown.key.read_bytes(),
        shown.certificate.read_bytes(),
    )
    async with grpc.aio.secure_channel(owner.config.exchange_endpoint, credentials) as channel:
        yield ExchangeStub(channel)  # type: ignore[no-untyped-call]  # generated


async def submit(owner: LiveNode, shown: Shown, request: SubmitProbeRequest) -> SubmitProbeResponse:
    async with exchange(owner, shown) as stub:
        response: SubmitProbeResponse = await stub.SubmitProbe(request, timeout=30)
        return response


@pytest.fixture(scope="session")
def probe_features() -> Features:
    import asyncio

    faces = MlFaces()
    try:
        return asyncio.run(faces.encode_probe(portrait(4)))
    finally:
        faces.close()


async def enrolled(owner: LiveNode) -> str:
    response = await owner.call("Enrol", node_pb2.EnrolRequest(photos=[portrait(0)]))
    reference_id: str = response.reference.reference_id
    return reference_id


async def opened(
    relying: LiveNode, reference_id: str, features: Features
) -> tuple[Authentication, SubmitProbeRequest]:
    """Open an authentication as the relying node does, and return the request that it would send."""
    async with relying.ledger() as ledger:
        reference: Reference = await ledger.reference(reference_id)
        probe = Probe(features, new_salt())
        commitment = commit_probe(
            probe.salt, reference_id=reference_id, model_digest=reference.model_digest, probe=features
        )
        opening = OpenAuthentication(
            reference_id=reference_id,
            purpose="travel",
            mode=ExchangeMode.SEALED,
            probe_commitment=commitment,
            model_digest=reference.model_digest,
        )
        transaction = await ledger.endorse(OPEN_AUTHENTICATION, opening)
        await ledger.commit(transaction, in_doubt=False)
        authentication = await ledger.authentication(transaction.tx_id)
        decider = await ledger.node(authentication.decider_node_id)
    sealed = seal(probe.to_bytes(), decider.sealing_public_key, binding_of(authentication))
    request = SubmitProbeRequest(
        authentication_id=authentication.authentication_id, sealing_suite=SUITE, sealed_probe=sealed
    )
    return authentication, request


async def test_a_probe_is_answered_once_and_for_its_own_node(
    org1: LiveNode, org2: LiveNode, org3: LiveNode, probe_features: Features
) -> None:
    authentication, request = await opened(org2, await enrolled(org1), probe_features)
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "NO_OPEN_AUTHENTICATION"):
        await submit(org1, own(org3), request)
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "NO_OPEN_AUTHENTICATION"):
        await submit(org2, own(org2), request)
    changed = SubmitProbeRequest()
    changed.CopyFrom(request)
    changed.sealed_probe = request.sealed_probe[:-1] + bytes([request.sealed_probe[-1] ^ 1])
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "PROBE_MISMATCH") as detail:
        await submit(org1, own(org2), changed)
    assert (detail.message, detail.hint) == ("the probe is not the one that was committed to", "")
    answer = await submit(org1, own(org2), request)
    assert answer.outcome == outcome_pb2.OUTCOME_MATCH
    async with org2.ledger() as ledger:
        concluded = await ledger.authentication(authentication.authentication_id)
    assert concluded.outcome == "match"
    async with refused(grpc.StatusCode.ALREADY_EXISTS, "PROBE_REPLAYED"):
        await submit(org1, own(org2), request)


async def test_a_probe_for_another_reference_is_not_compared(
    org1: LiveNode, org2: LiveNode, probe_features: Features
) -> None:
    _, for_one = await opened(org2, await enrolled(org1), probe_features)
    other, for_other = await opened(org2, await enrolled(org1), probe_features)
    for_one.authentication_id = other.authentication_id
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "PROBE_MISMATCH"):
        await submit(org1, own(org2), for_one)
    assert (await submit(org1, own(org2), for_other)).outcome == outcome_pb2.OUTCOME_MATCH


@pytest.mark.parametrize("authentication_id", ["0" * 64, "", "x" * 1000])
async def test_without_an_authentication_nothing_is_said(
    org1: LiveNode, org2: LiveNode, authentication_id: str
) -> None:
    request = SubmitProbeRequest(authentication_id=authentication_id, sealing_suite=SUITE, sealed_probe=b"x")
    async with refused(grpc.StatusCode.PERMISSION_DENIED, "NO_OPEN_AUTHENTICATION"):
        await submit(org1, own(org2), request)


async def test_an_oversized_message_is_not_read(org1: LiveNode, org2: LiveNode) -> None:
    request = SubmitProbeRequest(authentication_id="0" * 64, sealed_probe=bytes(MAX_MESSAGE_BYTES))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await submit(org1, own(org2), request)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_certificates_of_other_authorities_do_not_get_in(org1: LiveNode, org2: LiveNode) -> None:
    operator = org2.organisation.identity("operator")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await submit(org1, Shown(operator.certificate, operator.key), SubmitProbeRequest())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_peer_that_calls_too_often_is_slowed_down(org1: LiveNode, org3: LiveNode) -> None:
    codes = []
    async with exchange(org1, own(org3)) as stub:
        for _ in range(300):
            try:
                await stub.SubmitProbe(SubmitProbeRequest(), timeout=10)
            except grpc.aio.AioRpcError as err:
                codes.append(err.code())
                if err.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                    break
    assert codes[-1] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(codes) > 50


async def test_only_the_certificate_that_the_ledger_names_is_trusted(org1: LiveNode, org2: LiveNode) -> None:
    endpoint, digest = org1.config.exchange_endpoint, org1.home.tls_certificate_sha256()
    own = TlsPair.read(org2.home.tls_certificate, org2.home.tls_key)
    pinned = await fetch_pinned(endpoint, digest, whose="org1-node", own=own)
    assert pinned.server_name == "org1-node.org1.example.com"
    with pytest.raises(PeerCertificateError, match=endpoint):
        await fetch_pinned(endpoint, org2.home.tls_certificate_sha256(), whose="org2-node", own=own)
    with pytest.raises(PeerUnavailableError):
        await fetch_pinned("127.0.0.1:1", digest, whose="org1-node", own=own)


async def test_a_node_is_found_by_its_ledger_record(org2: LiveNode) -> None:
    async with org2.ledger() as ledger:
        record = await ledger.node("org1-node")
    own = TlsPair.read(org2.home.tls_certificate, org2.home.tls_key)
    client = ExchangeClient(lambda: own)
    impostor = record.replace(endpoint=org2.config.exchange_endpoint)
    try:
        with pytest.raises(PeerCertificateError):
            await client.submit_probe(impostor, authentication_id="0" * 64, suite=SUITE, sealed_probe=b"x")
    finally:
        await client.close()


async def test_an_identity_that_the_ledger_turns_away_is_told_so(org1: LiveNode) -> None:
    identity = SigningIdentity.from_msp_folder(org1.home.msp, "Org2MSP")  # under another's name
    network = org1.consortium.network
    async with connect(network.address, network.tls_roots.read_bytes()) as channel:
        ledger = GatewayLedger(
            Gateway(channel, identity), channel_name=network.channel, chaincode_name=network.chaincode
        )
        with pytest.raises(LedgerRejectedError, match="access denied"):
            await ledger.policy()
        with pytest.raises(LedgerRejectedError, match="access denied"):
            await ledger.endorse(ERASE_REFERENCE, ReferenceKey(reference_id="0" * 32))
        with pytest.raises(LedgerRejectedError):
            await ledger.commit(EndorsedTransaction("0" * 64, b"", b""), in_doubt=True)


class SkewedClock(SystemClock):
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=300)


async def test_a_clock_that_is_wrong_is_told_so(org1: LiveNode) -> None:
    identity = SigningIdentity.from_msp_folder(org1.home.msp, "Org1MSP")
    network = org1.consortium.network
    async with connect(network.address, network.tls_roots.read_bytes()) as channel:
        gateway = Gateway(channel, identity, clock=SkewedClock())
        ledger = GatewayLedger(gateway, channel_name=network.channel, chaincode_name=network.chaincode)
        with pytest.raises(Refusal) as caught:
            await ledger.endorse(ERASE_REFERENCE, ReferenceKey(reference_id="0" * 32))
    assert caught.value.code is RefusalCode.CLOCK_SKEW
