"""A development certificate authority: X.509 as Fabric's membership providers want it, nothing on disk.

What Fabric asks for and plain X.509 does not: P-256 keys and low-S signatures, a subject key identifier on
every authority, the role as an organizational unit (NodeOUs), attributes as JSON in an extension.
Production takes Fabric CA or the organisation's own PKI; this one is for a laptop, a demo and the tests.
`organisation.py` puts the results into folders.
"""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from veilmesh_fabric.signing import CURVE_ORDERS

ATTRIBUTES_OID = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
"""Where Fabric CA and Fabric's chaincode libraries keep a person's attributes."""

_BACKDATE = timedelta(minutes=5)  # clocks differ; cryptogen does the same


class NodeRole(StrEnum):
    """Fabric's NodeOUs: what a certificate's holder is to the network."""

    ADMIN = "admin"
    CLIENT = "client"
    PEER = "peer"
    ORDERER = "orderer"


@dataclass(frozen=True, slots=True)
class Validity:
    """When a certificate holds; aware datetimes, both ends included."""

    not_before: datetime
    not_after: datetime

    @classmethod
    def of_days(cls, days: int) -> Self:
        now = datetime.now(UTC).replace(microsecond=0)
        return cls(now - _BACKDATE, now + timedelta(days=days))


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key, unencrypted PKCS #8: what Fabric's binaries read from a keystore folder."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A self-signed root that issues end-entity certificates and revocation lists."""

    root: KeyPair

    @classmethod
    def create(cls, common_name: str, organisation: str, *, validity: Validity | None = None) -> Self:
        """Return a new root.

        Args:
            common_name: such as "ca.org1.example.com".
            organisation: the subject's O, such as "org1.example.com".
            validity: ten years when not given.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name, organisation)
        builder = (
            _builder(name, name, key.public_key(), validity or Validity.of_days(3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(KeyPair(_sign_low_s(builder, key), key))

    def issue_signing(
        self,
        common_name: str,
        *,
        role: NodeRole,
        attributes: Mapping[str, str] | None = None,
        validity: Validity | None = None,
    ) -> KeyPair:
        """Return a new identity for signing proposals, endorsements or blocks.

        Args:
            common_name: who it is, such as "peer0.org1.example.com".
            role: becomes the subject's OU.
            attributes: what chaincode may read about the holder, such as `{"role": "auditor"}`.
            validity: a year when not given, never beyond the root's own end.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name, self._organisation, unit=role.value)
        builder = _with_attributes(self._end_entity(name, key.public_key(), validity), attributes)
        return KeyPair(_sign_low_s(builder, self.root.key), key)

    def issue_tls(
        self,
        common_name: str,
        *,
        hosts: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
        validity: Validity | None = None,
    ) -> KeyPair:
        """Return a new TLS identity, good for both ends of a connection.

        Args:
            common_name: who it is; also its first alternative name.
            hosts: further names and IP addresses under which it is reached.
            attributes: what a server may read about a client, such as `{"role": "operator"}`.
            validity: a year when not given.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_general_name(host) for host in (common_name, *hosts)])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = (
            self._end_entity(_name(common_name, self._organisation), key.public_key(), validity)
            .add_extension(names, critical=False)
            .add_extension(usage, critical=False)
        )
        return KeyPair(_sign_low_s(_with_attributes(builder, attributes), self.root.key), key)

    def revoke(
        self,
        certificates: Sequence[x509.Certificate],
        *,
        besides: x509.CertificateRevocationList | None = None,
        at: datetime | None = None,
    ) -> x509.CertificateRevocationList:
        """Return a revocation list valid for ten years.

        Args:
            certificates: what it names,
            besides: and what this one names already.
            at: since when; now when not given.
        """
        now = at or datetime.now(UTC).replace(microsecond=0)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.root.certificate.subject)
            .last_update(now)
            .next_update(now + timedelta(days=3650))
            .add_extension(self._authority_key_identifier(), critical=False)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        )
        named = {entry.serial_number: entry.revocation_date_utc for entry in besides or ()}
        for serial_number, since in ({each.serial_number: now for each in certificates} | named).items():
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial_number).revocation_date(since).build()
            )
        while True:
            revocation_list = builder.sign(self.root.key, hashes.SHA256())
            if _is_low_s(revocation_list.signature):
                return revocation_list

    @property
    def _organisation(self) -> str:
        (attribute,) = self.root.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return str(attribute.value)

    def _end_entity(
        self, name: x509.Name, public_key: ec.EllipticCurvePublicKey, validity: Validity | None
    ) -> x509.CertificateBuilder:
        return (
            _builder(name, self.root.certificate.subject, public_key, validity or Validity.of_days(365))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(self._authority_key_identifier(), critical=False)
        )

    def _authority_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        own = self.root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _name(common_name: str, organisation: str, *, unit: str | None = None) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    if unit is not None:
        attributes.insert(1, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, validity: Validity
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
    )


def _with_attributes(
    builder: x509.CertificateBuilder, attributes: Mapping[str, str] | None
) -> x509.CertificateBuilder:
    if not attributes:
        return builder
    value = json.dumps({"attrs": dict(attributes)}, separators=(",", ":"), sort_keys=True).encode()
    return builder.add_extension(x509.UnrecognizedExtension(ATTRIBUTES_OID, value), critical=False)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _sign_low_s(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Sign until s is in the lower half of the order: Fabric would otherwise rewrite the certificate.

    Source: Fabric `msp/cert.go`, `sanitizeECDSASignedCert`. Two attempts on average.
    """
    while True:
        certificate = builder.sign(key, hashes.SHA256())
        if _is_low_s(certificate.signature):
            return certificate


def _is_low_s(signature: bytes) -> bool:
    _, s = decode_dss_signature(signature)
    return s <= CURVE_ORDERS["secp256r1"] // 2
