"""What only one node may open: HPKE (RFC 9180), base mode, one message a key.

Sealed are probes on their way to another node, and the keys of pictures (`sealed_key.py`). The KEM is the
hybrid of ML-KEM-768 and X25519: a face is secret for a lifetime, so what is recorded today must not open to a
quantum computer later, nor to a flaw found in the younger of the two. `info` binds the message to its context
(a probe to its authentication, challenge, nodes and model): sealed for one, it opens for no other. The
suite's name stands in the node's ledger record, so that it can change one day.
"""

from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from veilmesh_chaincode.records import canonical

from veilmesh_node.domain.secret import Secret
from veilmesh_node.errors import SealingError

SUITE = "HPKE-MLKEM768_X25519-HKDF_SHA256-AES_256_GCM"
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

MLKEM_SEED_BYTES = 64
MLKEM_PUBLIC_BYTES = 1184  # FIPS 203, table 3
X25519_BYTES = 32


class Context(Protocol):
    """What a sealed message belongs to: sealed for one, it opens for no other."""

    def to_info(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed probe belongs to; each field must be the same on both sides."""

    authentication_id: str
    challenge: str
    relying_node_id: str
    decider_node_id: str
    model_digest: str

    def to_info(self) -> bytes:
        return canonical.dumps(
            {
                "authentication_id": self.authentication_id,
                "challenge": self.challenge,
                "decider_node_id": self.decider_node_id,
                "model_digest": self.model_digest,
                "protocol": "veilmesh/v1/probe",
                "relying_node_id": self.relying_node_id,
                "suite": SUITE,
            }
        )


class SealingKey:
    """A node's private sealing key."""

    __slots__ = ("_key", "_seed")

    def __init__(self, seed: Secret) -> None:
        """Take what `to_secret` gave: ML-KEM's 64-byte seed, then X25519's 32 bytes."""
        raw = seed.reveal()
        if len(raw) != MLKEM_SEED_BYTES + X25519_BYTES:
            raise SealingError
        self._seed = seed
        self._key = MLKEM768X25519PrivateKey(
            MLKEM768PrivateKey.from_seed_bytes(raw[:MLKEM_SEED_BYTES]),
            X25519PrivateKey.from_private_bytes(raw[MLKEM_SEED_BYTES:]),
        )

    @classmethod
    def generate(cls) -> "SealingKey":
        mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        return cls(Secret(mlkem.private_bytes_raw() + x25519.private_bytes_raw()))

    def to_secret(self) -> Secret:
        return self._seed

    def public_hex(self) -> str:
        """Return the public key as the ledger holds it: ML-KEM's 1,184 bytes, then X25519's 32, in hex."""
        raw = self._seed.reveal()
        mlkem = MLKEM768PrivateKey.from_seed_bytes(raw[:MLKEM_SEED_BYTES]).public_key()
        x25519 = X25519PrivateKey.from_private_bytes(raw[MLKEM_SEED_BYTES:]).public_key()
        return (mlkem.public_bytes_raw() + x25519.public_bytes_raw()).hex()

    def open(self, sealed: bytes, binding: Context) -> bytes:
        """Open what was sealed to this key.

        Raises:
            SealingError: another key or binding, or changed on the way; which, it does not say.
        """
        try:
            return _SUITE.decrypt(sealed, self._key, info=binding.to_info())
        except (InvalidTag, ValueError) as err:
            raise SealingError from err

    def __repr__(self) -> str:
        return "<sealing key>"


def seal(plaintext: bytes, public_hex: str, binding: Context) -> bytes:
    """Seal to the public key that the ledger names: 1,120 bytes of encapsulation, then the ciphertext.

    Raises:
        SealingError: that is no public key of this suite.
    """
    try:
        raw = bytes.fromhex(public_hex)
        if len(raw) != MLKEM_PUBLIC_BYTES + X25519_BYTES:
            raise SealingError
        public_key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(raw[:MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(raw[MLKEM_PUBLIC_BYTES:]),
        )
        return _SUITE.encrypt(plaintext, public_key, info=binding.to_info())
    except ValueError as err:
        raise SealingError from err
