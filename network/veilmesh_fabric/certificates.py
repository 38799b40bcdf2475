"""X.509 certificates as an MSP sees them: read once, chained to a root, checked against revocation lists.

A Fabric MSP is a small private trust store, not the web's: a few roots and intermediates that stand in the
channel configuration. The rules are those of Fabric's `msp/mspimpl*.go`. In one thing we are stricter: Fabric
validates a chain as of the certificate's first second and leaves expiry to orderers and endorsers; here a
caller names the moment at which every certificate of the chain must be valid.
"""

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from veilmesh_fabric.errors import IdentityError, UnknownIssuerError
from veilmesh_fabric.signing import PublicKey

ATTRIBUTES_OID = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")  # Fabric CA's extension: {"attrs": {name: value}}

_UNDERSTOOD_IF_CRITICAL = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}

# What `cryptography` raises on bytes that are no certificate, or one it cannot represent.
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    UserWarning,
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What verification needs of one X.509 certificate, read and checked for form once."""

    x509: x509.Certificate
    fingerprint: (
        str  # SHA-256 of the part that the issuer signed, hex: a malleable signature makes no second identity
    )
    der: bytes
    subject: str  # RFC 4514
    common_name: str
    public_key: PublicKey
    not_before: datetime
    not_after: datetime
    organizational_units: tuple[str, ...]
    attributes: Mapping[str, str]  # of Fabric CA's extension; empty where there is none or it is malformed
    is_ca: bool
    path_length: int | None  # how many CAs may stand below this one; None: any number

    def __str__(self) -> str:
        return f"certificate {self.subject!r}"


@dataclass(frozen=True, slots=True)
class CertificateChain:
    """A leaf and its issuers up to a root: `certificates[0]` is the leaf."""

    certificates: tuple[Certificate, ...]
    not_before: datetime = field(init=False)  # of them all
    not_after: datetime = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "not_before", max(each.not_before for each in self.certificates))
        object.__setattr__(self, "not_after", min(each.not_after for each in self.certificates))

    @property
    def certifiers_identifier(self) -> bytes:
        return certifiers_identifier(self.certificates[1:])

    def require_valid_at(self, at: datetime) -> None:
        if self.not_before <= at <= self.not_after:
            return
        for certificate in self.certificates:
            if at < certificate.not_before:
                raise IdentityError(
                    f"{certificate} is not yet valid at {at}: valid from {certificate.not_before}"
                )
            if at > certificate.not_after:
                raise IdentityError(f"{certificate} has expired at {at}: valid until {certificate.not_after}")


def certifiers_identifier(issuers: Iterable[Certificate]) -> bytes:
    """Return how Fabric names "certified by this CA": SHA-256 over the DER from the issuer up to the root."""
    return sha256(b"".join(issuer.der for issuer in issuers)).digest()


def read_certificate(pem: bytes, what: str = "certificate") -> Certificate:
    """Return the certificate in `pem`.

    Raises:
        IdentityError: it is none, or one that cannot be used: an unknown key type or a critical extension
            that nothing here understands.
    """
    try:
        with warnings.catch_warnings():
            # The library tolerates some malformed certificates with a warning; we do not.
            warnings.simplefilter("error")
            return _certificate_from_x509(x509.load_pem_x509_certificate(pem))
    except _UNREADABLE as err:
        raise IdentityError(f"{what} is not a usable PEM certificate: {err}") from err


def _certificate_from_x509(certificate: x509.Certificate) -> Certificate:
    public_key = certificate.public_key()
    if not isinstance(public_key, EllipticCurvePublicKey | Ed25519PublicKey):
        raise UnsupportedAlgorithm(f"{type(public_key).__name__} is neither ECDSA nor Ed25519")
    extensions = {extension.oid: extension for extension in certificate.extensions}
    for extension in extensions.values():
        if extension.critical and extension.oid not in _UNDERSTOOD_IF_CRITICAL:
            raise ValueError(f"critical extension {extension.oid.dotted_string} is not understood")
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    is_ca, path_length = _certificate_authority(extensions)
    return Certificate(
        x509=certificate,
        fingerprint=sha256(certificate.tbs_certificate_bytes).hexdigest(),
        der=certificate.public_bytes(Encoding.DER),
        subject=certificate.subject.rfc4514_string(),
        common_name=str(names[0].value) if names else "",
        public_key=public_key,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        organizational_units=tuple(str(unit.value) for unit in units),
        attributes=_attributes(extensions),
        is_ca=is_ca,
        path_length=path_length,
    )


def _certificate_authority(
    extensions: Mapping[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]],
) -> tuple[bool, int | None]:
    """Return whether the certificate may issue others, and how many CAs may stand below it."""
    basic = extensions.get(ExtensionOID.BASIC_CONSTRAINTS)
    if basic is None or not isinstance(basic.value, x509.BasicConstraints) or not basic.value.ca:
        return False, None
    usage = extensions.get(ExtensionOID.KEY_USAGE)
    if usage is not None and isinstance(usage.value, x509.KeyUsage) and not usage.value.key_cert_sign:
        return False, None
    return True, basic.value.path_length


def _attributes(
    extensions: Mapping[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]],
) -> Mapping[str, str]:
    extension = extensions.get(ATTRIBUTES_OID)
    if extension is None or not isinstance(extension.value, x509.UnrecognizedExtension):
        return MappingProxyType({})
    try:
        attributes = json.loads(extension.value.value)["attrs"]
        return MappingProxyType({str(name): str(value) for name, value in attributes.items()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return MappingProxyType({})


class TrustStore:
    """The roots and intermediates of one MSP, and who was revoked under them."""

    def __init__(
        self,
        roots: Sequence[Certificate],
        intermediates: Sequence[Certificate],
        revocation_lists: Iterable[x509.CertificateRevocationList],
    ) -> None:
        """Check the authorities against each other.

        Raises:
            IdentityError: no root, an authority that is no CA, an intermediate that does not chain to a root
                or is revoked.
        """
        if not roots:
            raise IdentityError("an MSP needs at least one root certificate")
        for authority in (*roots, *intermediates):
            if not authority.is_ca:
                raise IdentityError(f"{authority} is no certificate authority")
        self._roots = {root.fingerprint: root for root in roots}
        self._intermediates = tuple(intermediates)
        self._revoked = _revoked_serials((*roots, *intermediates), revocation_lists)
        # Fabric: an authority that has authorities below it issues no identities itself.
        self._issuers_of_authorities: frozenset[str] = frozenset()
        self._issuers_of_authorities = frozenset(
            issuer.fingerprint
            for intermediate in intermediates
            for issuer in self.chain(intermediate).certificates[1:]
        )

    def authority(self, der: bytes) -> CertificateChain:
        """Return the chain of one of the store's own authorities; a root's is itself alone."""
        for authority in (*self._roots.values(), *self._intermediates):
            if authority.der == der:
                return self.chain(authority)
        raise IdentityError(
            "certificate of an organizational unit is none of the MSP's roots and intermediates"
        )

    def chain(self, certificate: Certificate) -> CertificateChain:
        """Return the one chain from an authority of this store down to `certificate`.

        Raises:
            IdentityError: there is none, or more than one, or a certificate of it was revoked.
        """
        chains = list(self._chains((certificate,)))
        if not chains:
            raise UnknownIssuerError(f"{certificate} was issued by no authority of this MSP")
        if len(chains) > 1:
            raise IdentityError(f"{certificate} has {len(chains)} chains to a root; an MSP allows one")
        chain = chains[0]
        for subject, issuer in pairwise(chain):
            if subject.x509.serial_number in self._revoked[issuer.fingerprint]:
                raise IdentityError(f"{subject} is revoked by {issuer.subject!r}")
        return CertificateChain(chain)

    def identity_chain(self, certificate: Certificate) -> CertificateChain:
        """Return the chain of a person's or service's certificate, which is never a CA's.

        Raises:
            IdentityError: as `chain`; or it is a CA; or its issuer is one that has authorities below it.
        """
        if certificate.is_ca:
            raise IdentityError(f"{certificate} is a certificate authority's and no identity")
        chain = self.chain(certificate)
        issuer = chain.certificates[1]
        if issuer.fingerprint in self._issuers_of_authorities:
            raise IdentityError(
                f"{certificate} was issued by {issuer.subject!r}, which has authorities below it"
            )
        return chain

    def _chains(self, path: tuple[Certificate, ...]) -> Iterable[tuple[Certificate, ...]]:
        """Yield every way up from `path` (leaf first) to a root, each authority used once at most."""
        last = path[-1]
        if last.fingerprint in self._roots:
            yield path
            return
        authorities_below = len(path) - 1
        for issuer in (*self._roots.values(), *self._intermediates):
            if issuer in path or not _issued(issuer, last):
                continue
            if issuer.path_length is not None and authorities_below > issuer.path_length:
                continue
            yield from self._chains((*path, issuer))


def _issued(issuer: Certificate, subject: Certificate) -> bool:
    """Whether `issuer`'s name and key stand behind `subject`."""
    if not issuer.is_ca:
        return False
    try:
        subject.x509.verify_directly_issued_by(issuer.x509)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def read_revocation_list(data: bytes) -> x509.CertificateRevocationList:
    """Return the revocation list in `data`, PEM or DER."""
    load = x509.load_pem_x509_crl if data.startswith(b"-----BEGIN") else x509.load_der_x509_crl
    try:
        return load(data)
    except _UNREADABLE as err:
        raise IdentityError(f"revocation list is not readable: {err}") from err


def _revoked_serials(
    authorities: Iterable[Certificate], lists: Iterable[x509.CertificateRevocationList]
) -> Mapping[str, frozenset[int]]:
    """Return, by authority, the serial numbers it revoked; a list that it did not sign says nothing."""
    loaded = list(lists)
    return {
        authority.fingerprint: frozenset(
            entry.serial_number
            for revocations in loaded
            if _signed_list(authority, revocations)
            for entry in revocations
        )
        for authority in authorities
    }


def _signed_list(authority: Certificate, revocations: x509.CertificateRevocationList) -> bool:
    try:
        return revocations.issuer == authority.x509.subject and revocations.is_signature_valid(
            authority.public_key
        )
    except _UNREADABLE:
        return False
