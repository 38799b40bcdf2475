"""TLS certificates and keys in files: what a client trusts and shows, and what a server shows."""

import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.renewal import Renewed


@dataclass(frozen=True)
class TlsPair:
    """A certificate, with those that vouch for it behind it, and the key that belongs to it."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)

    @classmethod
    def read(cls, certificate: Path, key: Path) -> Self:
        """Return the pair in two PEM files.

        Raises:
            IdentityError: one cannot be read, they do not belong together, or it is not the certificate's
                time.
        """
        pair = cls(_read(certificate), _read(key))
        _require_pair(pair, certificate, key)
        return pair

    @cached_property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate_pem)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the certificate's DER form, by which Fabric ties requests to a TLS connection."""
        return sha256(self.certificate.public_bytes(Encoding.DER)).digest()

    def show_in(self, context: ssl.SSLContext) -> None:
        """Have Python's own TLS show the certificate; it takes one from a file alone."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pair.pem"
            path.touch(mode=0o600)
            path.write_bytes(self.key_pem.rstrip() + b"\n" + self.certificate_pem)
            context.load_cert_chain(path)


@dataclass(frozen=True, slots=True)
class TlsClient:
    """Whom a client trusts, and what it shows where a server asks."""

    roots_pem: bytes
    pair: TlsPair | None = None

    @classmethod
    def in_files(
        cls, roots: Path, certificate: Path | None = None, key: Path | None = None
    ) -> Renewed["TlsClient"]:
        """Return what the files hold at each moment; the roots may be several.

        Raises:
            IdentityError: they are unreadable, or certificate and key do not belong together.
        """
        shown = None if certificate is None or key is None else (certificate, key)
        return Renewed(
            lambda: TlsClient(read_roots(roots), None if shown is None else TlsPair.read(*shown)),
            roots,
            *(shown or ()),
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise IdentityError(f"{path}: {err.strerror}") from err


def read_roots(path: Path) -> bytes:
    """Return a PEM file of authorities; it may hold several.

    Raises:
        IdentityError: it cannot be read, or holds none.
    """
    pem = _read(path)
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError as err:
        raise IdentityError(f"TLS roots {path}: not readable PEM certificates") from err
    return pem


def _require_pair(pair: TlsPair, certificate: Path, key: Path) -> None:
    try:
        shown = pair.certificate
        public_key = load_pem_private_key(pair.key_pem, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise IdentityError(f"TLS certificate {certificate} with key {key}: {err}") from err
    encoding = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if public_key.public_bytes(*encoding) != shown.public_key().public_bytes(*encoding):
        raise IdentityError(f"TLS key {key} does not belong to certificate {certificate}")
    now = datetime.now(UTC)
    if now > shown.not_valid_after_utc:
        raise IdentityError(f"TLS certificate {certificate} expired on {_utc(shown.not_valid_after_utc)}")
    if now < shown.not_valid_before_utc:
        raise IdentityError(
            f"TLS certificate {certificate} is valid only from {_utc(shown.not_valid_before_utc)}"
        )


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
