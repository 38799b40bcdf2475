"""A keyed orthogonal matrix for each template, so that a stored one is renewable and not linkable.

Two templates of one person, rotated under two keys, have no distance to each other that tells anything;
under one key every Euclidean distance stays what it was, so the decision is the same as on plain features
(a "biometric salting" transform, ISO/IEC 24745). The matrix is the product of Householder reflections in
dimensions 128, 127, ..., 2 along Gaussian vectors, which is Haar distributed: Stewart, "The efficient
generation of random orthogonal matrices", SIAM J. Numer. Anal. 17 (1980). It is applied, never formed.
"""

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from veilmesh_node.domain.secret import FEATURE_COUNT, Features, Secret

if TYPE_CHECKING:  # numpy comes with the faces; a node without them rotates nothing
    import numpy as np
    from numpy.typing import NDArray


def rotate(features: Features, key: Secret) -> Features:
    """Return `features` times the orthogonal matrix of `key` (32 bytes); distances change by < 1e-12."""
    import numpy as np  # noqa: PLC0415 - see above

    rotated = np.array(features.values, dtype=np.float64)  # (128,)
    normals = _normals(key, FEATURE_COUNT * (FEATURE_COUNT + 1) // 2 - 1)
    start = 0
    for size in range(FEATURE_COUNT, 1, -1):
        axis = normals[start : start + size]  # (size,)
        start += size
        tail = rotated[FEATURE_COUNT - size :]  # (size,), a view
        tail -= axis * (2.0 * (axis @ tail) / (axis @ axis))
    return Features(tuple(rotated.tolist()))


def _normals(key: Secret, count: int) -> "NDArray[np.float64]":
    """Return `count` normally distributed numbers from the key's ChaCha20 stream, by Box and Muller."""
    import numpy as np  # noqa: PLC0415 - see above

    pairs = (count + 1) // 2
    stream = Cipher(algorithms.ChaCha20(key.reveal(), bytes(16)), mode=None).encryptor()
    words = np.frombuffer(stream.update(bytes(16 * pairs)), dtype="<u8")
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # in (0, 1)
    radius, angle = np.sqrt(-2.0 * np.log(uniform[:pairs])), 2.0 * np.pi * uniform[pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
