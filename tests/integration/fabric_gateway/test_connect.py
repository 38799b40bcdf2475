"""TLS to a gateway: whom the client trusts, and what it says when it cannot."""

import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2
from veilmesh_fabric import (
    EvaluateError,
    Gateway,
    GatewayAddress,
    Gateways,
    IdentityError,
    RetryPolicy,
    SigningIdentity,
    TlsClient,
    TlsPair,
    certificate_hash,
    connect,
)
from veilmesh_network.certificates import CertificateAuthority

from tests.integration.fabric_gateway.conftest import Served, serving

ONCE = RetryPolicy(attempts=1)


async def test_a_server_of_another_authority_is_not_trusted(served: Served, alice: SigningIdentity) -> None:
    stranger = CertificateAuthority.create("tlsca.org9.example.com", "org9.example.com")
    async with connect(served.address, stranger.root.certificate_pem) as channel:
        with pytest.raises(EvaluateError) as caught:
            await Gateway(channel, alice, retry=ONCE).contract("veil", "mesh").evaluate("Get")
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert served.peer.calls == []


async def test_the_name_in_the_certificate_may_be_given(served: Served, alice: SigningIdentity) -> None:
    for name, calls in (("peer0.org1.example.com", 1), ("peer0.org2.example.com", 0)):
        served.peer.calls.clear()
        async with connect(served.address, served.tls_roots_pem, server_name=name) as channel:
            contract = Gateway(channel, alice, retry=ONCE).contract("veil", "mesh")
            if calls:
                await contract.evaluate("Get")
            else:
                with pytest.raises(EvaluateError):
                    await contract.evaluate("Get")
        assert len(served.peer.calls) == calls


async def test_a_client_certificate_is_shown_and_tied_to_the_proposal(
    tls_authority: CertificateAuthority, alice: SigningIdentity
) -> None:
    pair = tls_authority.issue_tls("client.org1.example.com")
    tls_hash = certificate_hash(pair.certificate_pem)
    async with serving(tls_authority, mutual_tls=True) as served:
        async with connect(served.address, served.tls_roots_pem) as channel:
            with pytest.raises(EvaluateError):
                await Gateway(channel, alice, retry=ONCE).contract("veil", "mesh").evaluate("Get")
        assert served.peer.calls == []
        shown = TlsClient(served.tls_roots_pem, TlsPair(pair.certificate_pem, pair.key_pem))
        async with Gateways.dial([GatewayAddress(served.address)], lambda: shown) as gateways:
            await Gateway(gateways, alice).contract("veil", "mesh").evaluate("Get")
    signed = served.peer.requests["Evaluate"][0].proposed_transaction
    header = common_pb2.Header.FromString(proposal_pb2.Proposal.FromString(signed.proposal_bytes).header)
    assert common_pb2.ChannelHeader.FromString(header.channel_header).tls_cert_hash == tls_hash


async def test_messages_beyond_the_bound_are_refused_here(served: Served, alice: SigningIdentity) -> None:
    async with connect(served.address, served.tls_roots_pem, max_message_bytes=10_000) as channel:
        contract = Gateway(channel, alice, retry=ONCE).contract("veil", "mesh")
        with pytest.raises(EvaluateError) as caught:
            await contract.evaluate("Get", b"x" * 20_000)
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert served.peer.calls == []


async def test_a_gateway_that_is_down_is_unavailable(served: Served, alice: SigningIdentity) -> None:
    async with connect("127.0.0.1:1", served.tls_roots_pem) as channel:
        with pytest.raises(EvaluateError) as caught:
            await Gateway(channel, alice, retry=ONCE).contract("veil", "mesh").evaluate("Get")
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


async def test_unusable_certificates_are_named(served: Served) -> None:
    pair = served.authority.issue_tls("client.org1.example.com")
    with pytest.raises(IdentityError, match="TLS roots"):
        connect(served.address, b"")
    with pytest.raises(IdentityError, match="both the client's certificate and its key"):
        connect(served.address, served.tls_roots_pem, client_certificate_pem=pair.certificate_pem)
    with pytest.raises(IdentityError, match="TLS client certificate"):
        connect(served.address, served.tls_roots_pem, client_certificate_pem=b"", client_key_pem=pair.key_pem)


def test_the_certificates_hash_is_over_its_der_form(tls_authority: CertificateAuthority) -> None:
    pair = tls_authority.issue_tls("client.org1.example.com")
    assert certificate_hash(pair.certificate_pem) == pair.certificate.fingerprint(hashes.SHA256())
    with pytest.raises(IdentityError, match="TLS certificate"):
        certificate_hash(b"none")
