"""What a machine signs to join a cluster, and that each challenge is good for one answer.

The statement names both ends of the TLS connection by the SHA-256 of their certificates. So an answer that a
dishonest head was given for its own challenge, or that somebody passes on, is of no use at another head.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from veilmesh_fabric.errors import SignatureError
from veilmesh_fabric.signing import PublicKey, verify

from veilmesh_node.cluster.errors import AdmissionRefusedError

LABEL = "veilmesh: join a cluster, version 1"
LIFE_S = 30
NONCE_BYTES = 32
MAX_OPEN = 1000  # challenges nobody has answered yet


@dataclass(frozen=True, slots=True)
class Statement:
    """What is signed.

    Attributes:
        cluster_id: of this run of the head, hex.
        nonce: the challenge's, hex.
        expires_at_s: Unix time until which the answer counts.
        node_id: who joins.
        head_certificate_sha256, worker_certificate_sha256: of the TLS certificates shown, hex.
    """

    cluster_id: str
    nonce: str
    expires_at_s: int
    node_id: str
    head_certificate_sha256: str
    worker_certificate_sha256: str

    def to_bytes(self) -> bytes:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({"what": LABEL, **fields}, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Challenge:
    nonce: str
    expires_at_s: int
    node_id: str
    certificate_sha256: str  # to whom it was given


class Challenges:
    """Those that a head has given out."""

    def __init__(self, now_s: Callable[[], int]) -> None:
        self._now_s = now_s
        self._open: dict[str, Challenge] = {}

    def issue(self, node_id: str, certificate_sha256: str) -> Challenge:
        """Return a new one; an earlier one of the same connection's certificate is void.

        Raises:
            AdmissionRefusedError: too many are open.
        """
        now_s = self._now_s()
        self._open = {
            nonce: each
            for nonce, each in self._open.items()
            if each.expires_at_s > now_s and each.certificate_sha256 != certificate_sha256
        }
        if len(self._open) >= MAX_OPEN:
            raise AdmissionRefusedError("too many machines want to join at once; try again")
        challenge = Challenge(secrets.token_hex(NONCE_BYTES), now_s + LIFE_S, node_id, certificate_sha256)
        self._open[challenge.nonce] = challenge
        return challenge

    def redeem(self, nonce: str, node_id: str, certificate_sha256: str) -> Challenge:
        """Return the challenge of this nonce, which is good no more.

        Raises:
            AdmissionRefusedError: there is none, it was answered before, it was given to another, or it
                expired.
        """
        challenge = self._open.pop(nonce, None)
        if challenge is None:
            raise AdmissionRefusedError("there is no such challenge, or it was answered before")
        if (challenge.node_id, challenge.certificate_sha256) != (node_id, certificate_sha256):
            raise AdmissionRefusedError("the challenge was given to another node")
        if challenge.expires_at_s <= self._now_s():
            raise AdmissionRefusedError("the challenge has expired")
        return challenge


def verify_statement(statement: Statement, public_key_der: bytes, signature: bytes) -> str:
    """Check who signed.

    Returns:
        SHA-256 of the public key as the ledger names an identity, hex.

    Raises:
        AdmissionRefusedError: this key did not sign this statement.
    """
    try:
        key = load_der_public_key(public_key_der)
        if not isinstance(key, PublicKey):
            raise AdmissionRefusedError("the node's key is of a kind that Fabric does not use")
        verify(key, signature, statement.to_bytes())
    except (ValueError, UnsupportedAlgorithm, SignatureError) as err:
        raise AdmissionRefusedError("the challenge is not signed with the node's key") from err
    return sha256(public_key_der).hexdigest()
