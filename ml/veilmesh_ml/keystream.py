"""Random numbers from a key: the ChaCha20 stream (RFC 8439), one independent stream per use.

A 256-bit key never feeds a stream itself. HKDF-SHA-256 (RFC 5869) derives a key of its own for every
purpose, image, face and channel, named in the `info`; so the fixed zero nonce below is used once per
derived key and no two uses share bytes.
"""

import secrets
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from veilmesh_ml.errors import ParameterError

KEY_BYTES: Final = 32


def key_or_fresh(key: bytes | None) -> bytes:
    """Return the key, or a fresh one where none was given: what it did can then never be undone.

    Raises:
        ParameterError: not 32 bytes.
    """
    if key is None:
        return secrets.token_bytes(KEY_BYTES)
    if len(key) != KEY_BYTES:
        raise ParameterError(
            f"the key has {len(key)} bytes, not {KEY_BYTES}", hint="use secrets.token_bytes(32)"
        )
    return key


def derive(key: bytes, *names: str | int, salt: bytes = b"") -> bytes:
    """Return a 32-byte key for one use, named by a path such as ("permute", nonce, face, channel)."""
    info = b"veilmesh/v1/" + "/".join(str(name) for name in names).encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(key)


def words(key: bytes, count: int) -> NDArray[np.uint64]:
    """Return the first `count` 64-bit words of the key's stream, uniform over all values.

    Args:
        key: from `derive`, for this use alone.
        count: up to 2**35, the length of one ChaCha20 stream.
    """
    stream = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(8 * count))
    return np.frombuffer(stream, dtype="<u8").astype(np.uint64)


def permutation(key: bytes, count: int) -> NDArray[np.intp]:
    """Return a keyed permutation of 0 .. count - 1.

    Each place draws a 64-bit word and the places are sorted by them: every order is equally likely as
    long as no two words are equal, which for 10^6 places happens once in 4 x 10^7 images and then only
    favours the order in which two pixels stood (the sort is stable, so both sides still agree). A
    Fisher-Yates shuffle with rejection sampling has the same distribution and takes a Python loop per
    pixel.
    """
    return np.argsort(words(key, count), kind="stable")


def gaussian(key: bytes, count: int) -> NDArray[np.float64]:
    """Return `count` standard normal numbers (Box-Muller on 53-bit uniforms)."""
    pairs = (count + 1) // 2
    uniform = ((words(key, 2 * pairs) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53  # (0, 1), never 0
    radius, angle = np.sqrt(-2.0 * np.log(uniform[:pairs])), 2.0 * np.pi * uniform[pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
