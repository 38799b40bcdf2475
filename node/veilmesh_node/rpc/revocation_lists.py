"""Revocation lists for the certificates with which an organisation's own people call its node.

gRPC checks a caller's chain and dates in the handshake, but no revocation list; so the service asks here
before it does anything. The operator puts what the organisation's authority publishes (`*.pem`, RFC 5280)
into the home's `client-crls/`; a list put there, changed or taken away counts from the next call on. A list
that cannot be read or that no trusted authority signed stops every call until it is mended: to pass over it
would let in whom it names.
"""

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from veilmesh_node.errors import HomeError, UnauthenticatedError
from veilmesh_node.rpc.caller import Caller

_Entries = frozenset[tuple[x509.Name, int]]  # issuer and serial number
_Stamps = frozenset[tuple[Path, int, int]]  # file, its time of change in ns, its size in bytes


class RevocationLists:
    """The lists in one folder, read again when one of its files changes."""

    def __init__(self, folder: Path, authorities: Path) -> None:
        """Read them for the first time.

        Args:
            folder: with `*.pem` lists; it need not exist.
            authorities: PEM certificates of those whose lists count.

        Raises:
            HomeError: a list or the authorities cannot be read, or a list is of nobody among them.
        """
        self._folder = folder
        self._authorities = authorities
        self._stamps = self._stat()
        self._revoked = self._read(self._stamps)

    def check(self, caller: Caller) -> None:
        """Let a caller pass whose certificate nobody revoked.

        Raises:
            UnauthenticatedError: it was revoked.
            HomeError: the lists have changed and cannot be read.
        """
        stamps = self._stat()
        if stamps != self._stamps:
            self._revoked = self._read(stamps)
            self._stamps = stamps
        if (caller.issuer, caller.serial_number) in self._revoked:
            raise UnauthenticatedError("the client certificate is revoked")

    def _stat(self) -> _Stamps:
        try:
            stats = [(path, path.stat()) for path in self._folder.glob("*.pem")]
        except OSError as err:
            raise HomeError(f"revocation lists in {self._folder}: {err}") from err
        return frozenset((path, stat.st_mtime_ns, stat.st_size) for path, stat in stats)

    def _read(self, stamps: _Stamps) -> _Entries:
        try:
            authorities = x509.load_pem_x509_certificates(self._authorities.read_bytes())
        except (OSError, ValueError) as err:
            raise HomeError(f"client authorities {self._authorities}: {err}") from err
        return frozenset(entry for path, _, _ in stamps for entry in _entries(path, authorities))


def _entries(path: Path, authorities: list[x509.Certificate]) -> Iterable[tuple[x509.Name, int]]:
    try:
        revocation_list = x509.load_pem_x509_crl(path.read_bytes())
    except (OSError, ValueError) as err:
        raise HomeError(f"revocation list {path}: {err}") from err
    if not any(_signed_by(revocation_list, authority) for authority in authorities):
        raise HomeError(f"revocation list {path}: none of the client authorities signed it")
    return [(revocation_list.issuer, revoked.serial_number) for revoked in revocation_list]


def _signed_by(revocation_list: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    return (
        authority.subject == revocation_list.issuer
        and isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey)
        and revocation_list.is_signature_valid(key)
    )
