"""Signatures as Fabric makes and accepts them.

ECDSA: over SHA-256 whatever the curve (Fabric `msp/identities.go`, `getHashOpt`), DER, and with s in the
lower half of the curve's order: (r, s) and (r, order - s) are both valid signatures of one message, so
Fabric accepts the smaller alone (`bccsp/utils/ecdsa.go`). Curves: P-256, Fabric's own choice, and P-384.
Ed25519 signs the message itself; channels accept it with capability V3_0.

Keys come from `identity.py`; who may sign what is for others to decide.
"""

from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from veilmesh_fabric.errors import IdentityError, SignatureError
from veilmesh_fabric.verifying_key import CURVE_ORDERS, PublicKey, verifying_key

__all__ = ["CURVE_ORDERS", "EcdsaSigner", "Ed25519Signer", "PublicKey", "Signer", "signer_from_pem", "verify"]

_ECDSA_SHA256 = ECDSA(hashes.SHA256())


class Signer(Protocol):
    """Whatever holds a private key: memory, a token, another process."""

    @property
    def public_key(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes:
        """Return a signature of `message` that `verify` accepts."""


@dataclass(frozen=True, slots=True)
class EcdsaSigner:
    """A P-256 or P-384 key in memory."""

    private_key: EllipticCurvePrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        if self.private_key.curve.name not in CURVE_ORDERS:
            raise IdentityError(f"curve {self.private_key.curve.name} is neither P-256 nor P-384")

    @property
    def public_key(self) -> EllipticCurvePublicKey:
        return self.private_key.public_key()

    def sign(self, message: bytes) -> bytes:
        curve = self.private_key.curve.name
        r, s = decode_dss_signature(self.private_key.sign(message, _ECDSA_SHA256))
        return encode_dss_signature(r, min(s, CURVE_ORDERS[curve] - s))


@dataclass(frozen=True, slots=True)
class Ed25519Signer:
    """An Ed25519 key in memory."""

    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> Ed25519PublicKey:
        return self.private_key.public_key()

    def sign(self, message: bytes) -> bytes:
        return self.private_key.sign(message)


def signer_from_pem(key_pem: bytes) -> Signer:
    """Return a signer for an unencrypted private key (PKCS #8 or SEC 1).

    Raises:
        IdentityError: it is no such key, or of a kind that Fabric does not accept.
    """
    try:
        key = load_pem_private_key(key_pem, password=None)
    except TypeError as err:
        raise IdentityError(
            "private key is encrypted; Fabric identities are read from unencrypted PEM"
        ) from err
    except (ValueError, UnsupportedAlgorithm) as err:
        raise IdentityError("private key is not readable PEM") from err
    if isinstance(key, EllipticCurvePrivateKey):
        return EcdsaSigner(key)
    if isinstance(key, Ed25519PrivateKey):
        return Ed25519Signer(key)
    raise IdentityError("private key is neither ECDSA nor Ed25519")


def verify(public_key: PublicKey, signature: bytes, message: bytes) -> None:
    """Return if `signature` is `public_key`'s of `message`, in the one form that Fabric accepts.

    Raises:
        SignatureError: it is not, it is malformed, or its s is in the upper half; or the key is on a curve
            that Fabric does not use.
    """
    key = verifying_key(public_key)
    if key.holds(signature, key.prepared(message)):
        return
    if isinstance(public_key, EllipticCurvePublicKey):
        _require_low_s(public_key, signature)
    raise SignatureError("signature does not match the message and the signer's key")


def _require_low_s(public_key: EllipticCurvePublicKey, signature: bytes) -> None:
    order = CURVE_ORDERS.get(public_key.curve.name)
    if order is None:
        raise SignatureError(f"signer's key is on curve {public_key.curve.name}, neither P-256 nor P-384")
    try:
        _, s = decode_dss_signature(signature)
    except ValueError as err:
        raise SignatureError("signature is not a DER sequence of two integers") from err
    if s > order // 2:
        raise SignatureError("signature is not in low-S form: s is in the upper half of the curve's order")
