"""AES-256-GCM with the nonce in front: 96 random bits, so a key is good for more rows than a vault has."""

import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


def seal(key: AESGCM, plaintext: bytes, associated_data: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plaintext, associated_data)


def unseal(key: AESGCM, sealed: bytes, associated_data: bytes) -> bytes:
    """Open what `seal` made.

    Raises:
        cryptography.exceptions.InvalidTag: another key, other associated data, or changed bytes.
    """
    return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated_data)
