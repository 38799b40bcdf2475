"""The creator is whom the peer has validated, or nobody."""

from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fabric_protos.msp.identities_pb2 import SerializedIdentity
from veilmesh_chaincode.creator import creator_of
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_network.certificates import CertificateAuthority, NodeRole

AUTHORITY = CertificateAuthority.create("ca.org1.example.com", "org1.example.com")
NODE = AUTHORITY.issue_signing("node", role=NodeRole.CLIENT, attributes={"role": "node", "site": "north"})
OPERATOR = AUTHORITY.issue_signing("operator", role=NodeRole.CLIENT, attributes={"role": "operator"})
PEM = NODE.certificate_pem


def serialized(pem: bytes, msp_id: str = "Org1MSP") -> bytes:
    return bytes(SerializedIdentity(mspid=msp_id, id_bytes=pem).SerializeToString())


def with_extension(value: bytes) -> bytes:
    """Return a certificate whose extension for attributes holds `value`."""
    like = NODE.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(like.subject)
        .issuer_name(like.issuer)
        .public_key(NODE.key.public_key())
        .serial_number(1)
        .not_valid_before(like.not_valid_before_utc)
        .not_valid_after(like.not_valid_after_utc)
    )
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1"), value)
    return (
        builder.add_extension(extension, critical=False)
        .sign(NODE.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def test_what_is_read() -> None:
    creator = creator_of(serialized(PEM, "Org2MSP"))
    key = NODE.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert creator.msp_id == "Org2MSP"
    assert creator.identity_sha256 == sha256(key).hexdigest()
    assert creator.organizational_units == {"client"}
    assert creator.attributes == {"role": "node", "site": "north"}


@pytest.mark.parametrize(
    "pem", [PEM.rstrip(), PEM + b"\n", PEM.replace(b"\n", b"\r\n")], ids=["no end", "two ends", "crlf"]
)
def test_the_ends_of_lines_do_not_matter(pem: bytes) -> None:
    assert creator_of(serialized(pem)) == creator_of(serialized(PEM))


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b"{}", b'{"attrs":[]}', b'{"attrs":null}', b"\xff", b"[" * 100_000],
    ids=["empty", "cut", "list", "none", "attrs list", "null", "no text", "deep"],
)
def test_malformed_attributes_are_none(value: bytes) -> None:
    assert creator_of(serialized(with_extension(value))).attributes == {}


def relabelled(pem: bytes, label: bytes) -> bytes:
    return pem.replace(b"CERTIFICATE", label)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no certificate",
        PEM[: len(PEM) // 2],
        relabelled(PEM, b"X509 CRL"),
        # Fabric validates the first block, whatever it is called; others look for CERTIFICATE.
        relabelled(PEM, b"TRUSTED THING") + OPERATOR.certificate_pem,
        PEM + OPERATOR.certificate_pem,
        PEM + relabelled(OPERATOR.certificate_pem, b"X509 CRL"),
        b"-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n" + PEM,
        b"a preface\n" + PEM,
        PEM + b"an afterword",
        PEM.replace(b"-----\n", b"-----\nProc-Type: 4,ENCRYPTED\n\n", 1),
    ],
    ids=[
        "empty",
        "text",
        "half",
        "label",
        "another before",
        "two",
        "another after",
        "broken before",
        "text before",
        "text after",
        "headers",
    ],
)
def test_whatever_is_not_one_certificate_is_nobody(pem: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        creator_of(serialized(pem))
    assert refused.value.code is RefusalCode.MALFORMED


def test_an_identity_that_is_no_message() -> None:
    with pytest.raises(Refusal):
        creator_of(b"\xff")
