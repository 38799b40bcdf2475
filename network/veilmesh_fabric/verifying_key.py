"""Public keys made ready to check signatures, many with each.

ECDSA: over SHA-256 whatever the curve (Fabric `msp/identities.go`, `getHashOpt`), DER, and with s in the
lower half of the curve's order: (r, s) and (r, order - s) are both valid signatures of one message, so
Fabric accepts the smaller alone (`bccsp/utils/ecdsa.go`). Curves: P-256, Fabric's own choice, and P-384.
Ed25519 signs the message itself; channels accept it with capability V3_0.

A check has two parts. `prepared` makes of the message what the algorithm is given, which needs no arithmetic
with the key; `holds` is that arithmetic. Messages are long and hashes short, so that a check can be prepared
where the messages are and done in another process (`signature_worker.py`, for whose sake nothing heavy is
imported here).
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

PublicKey: TypeAlias = EllipticCurvePublicKey | Ed25519PublicKey

CURVE_ORDERS: Mapping[str, int] = {  # SEC 2, sections 2.4.2 and 2.5.1
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
    ),
}
_ECDSA_SHA256 = ECDSA(Prehashed(SHA256()))
_hashed = lru_cache(1)(sha256)  # to be continued in copies, since one message comes with many suffixes


class VerifyingKey(Protocol):
    def prepared(self, message: bytes, suffix: bytes = b"") -> bytes:
        """Return what `holds` wants of `message || suffix`: its hash, or the message itself."""
        ...

    def holds(self, signature: bytes, prepared: bytes) -> bool:
        """Whether `signature` is this key's of the message, in the one form that Fabric accepts."""
        ...


class EcdsaKey:
    """A P-256 or P-384 key."""

    __slots__ = ("_highest_s", "_verify")

    def __init__(self, public_key: EllipticCurvePublicKey) -> None:
        self._verify = public_key.verify
        self._highest_s = CURVE_ORDERS[public_key.curve.name] // 2

    def prepared(self, message: bytes, suffix: bytes = b"") -> bytes:
        if not suffix:
            return sha256(message).digest()
        hashed = _hashed(message).copy()
        hashed.update(suffix)
        return hashed.digest()

    def holds(self, signature: bytes, prepared: bytes) -> bool:
        try:
            self._verify(signature, prepared, _ECDSA_SHA256)
        except InvalidSignature:
            return False
        # OpenSSL accepts a signature in the one DER encoding alone (`ossl_ecdsa_verify`), in which lengths
        # up to 127 are single bytes: 30 length 02 length r 02 length s.
        return int.from_bytes(signature[6 + signature[3] :]) <= self._highest_s


class Ed25519Key:
    __slots__ = ("_verify",)

    def __init__(self, public_key: Ed25519PublicKey) -> None:
        self._verify = public_key.verify

    def prepared(self, message: bytes, suffix: bytes = b"") -> bytes:
        return message + suffix

    def holds(self, signature: bytes, prepared: bytes) -> bool:
        try:
            self._verify(signature, prepared)
        except InvalidSignature:
            return False
        return True


class NoKey:
    """Where there is no key, or one on a curve that Fabric does not use: no signature holds."""

    def prepared(self, message: bytes, suffix: bytes = b"") -> bytes:  # noqa: ARG002 - the protocol's
        return b""

    def holds(self, signature: bytes, prepared: bytes) -> bool:  # noqa: ARG002 - the protocol's signature
        return False


def verifying_key(public_key: PublicKey) -> VerifyingKey:
    """Return the key made ready."""
    if isinstance(public_key, Ed25519PublicKey):
        return Ed25519Key(public_key)
    return EcdsaKey(public_key) if public_key.curve.name in CURVE_ORDERS else NoKey()


ED25519, NO_KEY = "ed25519", "none"  # kinds of keys besides the curves' names

READERS: Mapping[str, Callable[[bytes], VerifyingKey]] = {
    "secp256r1": lambda point: EcdsaKey(EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)),
    "secp384r1": lambda point: EcdsaKey(EllipticCurvePublicKey.from_encoded_point(SECP384R1(), point)),
    ED25519: lambda raw: Ed25519Key(Ed25519PublicKey.from_public_bytes(raw)),
    NO_KEY: lambda _: NoKey(),
}
"""By kind of key, what makes it of its bytes: an X9.62 point, or RFC 8032's encoding."""
