"""Commitments: HMAC-SHA-256 under a secret salt, so that the ledger's copy binds and tells nothing.

Each kind has its own label, and every part its length, so that no commitment of one kind can pass for another
and no two lists of parts give the same bytes. Destroying the salt leaves 256 bits that nobody can relate to
anything (ISO/IEC 24745: irreversibility after erasure).
"""

import hmac
import secrets
from hashlib import sha256

from veilmesh_node.domain.secret import Features, Secret

SALT_BYTES = 32


def new_salt() -> Secret:
    return Secret(secrets.token_bytes(SALT_BYTES))


def derive_salt(key: Secret, operation_id: str, index: int) -> Secret:
    """Return the salt of one receipt of a batch, which need not be stored."""
    return Secret(bytes.fromhex(_commit(key, "salt", operation_id.encode(), str(index).encode())))


def commit_template(
    salt: Secret, *, reference_id: str, version: int, model_digest: str, template: Features
) -> str:
    """Commit to a template as the vault stores it: rotated, see `vault.rotation`."""
    return _commit(
        salt,
        "template",
        reference_id.encode(),
        str(version).encode(),
        model_digest.encode(),
        template.to_bytes(),
    )


def commit_probe(salt: Secret, *, reference_id: str, model_digest: str, probe: Features) -> str:
    """Commit to a probe, for one claimed reference: it cannot be turned against another later."""
    return _commit(salt, "probe", reference_id.encode(), model_digest.encode(), probe.to_bytes())


def commit_consent(salt: Secret, *, reference_id: str, consent: bytes) -> str:
    return _commit(salt, "consent", reference_id.encode(), consent)


def commit_input(salt: Secret, input_sha256: str) -> str:
    """Commit to the image that a released one was made from, by its SHA-256 (hex)."""
    return _commit(salt, "input", input_sha256.encode())


def authenticate_request(key: Secret, *parts: bytes) -> str:
    """Return a request's fingerprint for the journal; without the node's key it tells nothing."""
    return _commit(key, "request", *parts)


def equal(left: str, right: str) -> bool:
    """Compare two commitments in a time that does not depend on where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())


def _commit(salt: Secret, kind: str, *parts: bytes) -> str:
    message = b"veilmesh/v1/" + kind.encode() + b"\x00"
    message += b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(salt.reveal(), message, sha256).hex()
