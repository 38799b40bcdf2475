"""Certificates as Fabric's membership providers want them: judged by the reader that verification uses."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from veilmesh_fabric.certificates import read_certificate
from veilmesh_fabric.signing import CURVE_ORDERS
from veilmesh_network.certificates import CertificateAuthority, NodeRole, Validity


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("ca.org1.example.com", "org1.example.com")


def test_a_root_may_issue(authority: CertificateAuthority) -> None:
    root = read_certificate(authority.root.certificate_pem)
    assert root.is_ca
    assert isinstance(root.public_key, EllipticCurvePublicKey)
    assert isinstance(root.public_key.curve, SECP256R1)
    root.x509.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


@pytest.mark.parametrize("role", list(NodeRole))
def test_the_role_is_the_organizational_unit(authority: CertificateAuthority, role: NodeRole) -> None:
    issued = read_certificate(authority.issue_signing("someone", role=role).certificate_pem)
    assert issued.organizational_units == (role.value,)
    assert not issued.is_ca
    issued.x509.verify_directly_issued_by(authority.root.certificate)


def test_attributes_are_read_back(authority: CertificateAuthority) -> None:
    attributes = {"role": "auditor", "hf.Affiliation": 'with "quotes" and \u00fc'}
    issued = authority.issue_signing("someone", role=NodeRole.CLIENT, attributes=attributes)
    assert read_certificate(issued.certificate_pem).attributes == attributes


def test_every_signature_is_low_s(authority: CertificateAuthority) -> None:
    half = CURVE_ORDERS["secp256r1"] // 2
    certificates = [authority.issue_signing("x", role=NodeRole.CLIENT).certificate for _ in range(16)]
    signatures = [certificate.signature for certificate in certificates]
    signatures.append(authority.revoke(certificates).signature)
    assert all(decode_dss_signature(signature)[1] <= half for signature in signatures)


def test_validity_is_as_asked(authority: CertificateAuthority) -> None:
    start = datetime(2031, 5, 1, tzinfo=UTC)
    validity = Validity(start, start + timedelta(days=3))
    issued = authority.issue_signing("x", role=NodeRole.CLIENT, validity=validity).certificate
    assert (issued.not_valid_before_utc, issued.not_valid_after_utc) == (
        validity.not_before,
        validity.not_after,
    )


def test_without_asking_a_certificate_is_valid_now(authority: CertificateAuthority) -> None:
    issued = authority.issue_signing("x", role=NodeRole.CLIENT).certificate
    now = datetime.now(UTC)
    assert issued.not_valid_before_utc < now < issued.not_valid_after_utc


def test_tls_names_and_addresses(authority: CertificateAuthority) -> None:
    issued = authority.issue_tls(
        "node1.org1.example.com", hosts=["localhost", "127.0.0.1", "::1"]
    ).certificate
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["node1.org1.example.com", "localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_a_revocation_list_names_whom_it_revokes(authority: CertificateAuthority) -> None:
    gone, stays = (authority.issue_signing("x", role=NodeRole.CLIENT).certificate for _ in range(2))
    revocations = authority.revoke([gone])
    assert revocations.get_revoked_certificate_by_serial_number(gone.serial_number) is not None
    assert revocations.get_revoked_certificate_by_serial_number(stays.serial_number) is None
    key = authority.root.certificate.public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    key.verify(revocations.signature, revocations.tbs_certlist_bytes, ECDSA(SHA256()))


def test_a_key_is_not_in_a_repr(authority: CertificateAuthority) -> None:
    pair = authority.issue_signing("x", role=NodeRole.CLIENT)
    assert "PrivateKey" not in repr(pair) + repr(authority)
