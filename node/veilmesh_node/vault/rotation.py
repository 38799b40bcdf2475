"""A keyed orthogonal matrix for each template, so that a stored one is renewable and not linkable.

Two templates of one person, rotated under two keys, have no distance to each other that tells anything;
under one key every Euclidean distance stays what it was, so the decision is the same as on plain features
(a "biometric salting" transform, ISO/IEC 24745). The matrix is the product of Householder reflections in
dimensions d, d - 1, ..., 2 along Gaussian vectors, which is Haar distributed: Stewart, "The efficient
generation of random orthogonal matrices", SIAM J. Numer. Anal. 17 (1980). It is applied, never formed; and
undone by the same reflections, each its own inverse, in the contrary order.
"""

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from veilmesh_node.domain.secret import Features, Secret

if TYPE_CHECKING:  # numpy comes with the faces; a node without them rotates nothing
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

MAX_NORMALS_AT_ONCE = 8_000_000  # 64 MB; some thousand templates of dlib's, a few dozen of 512 numbers


def rotate(features: Features, key: Secret) -> Features:
    """Return `features` times the orthogonal matrix of `key` (32 bytes); distances change by < 1e-12."""
    import numpy as np  # noqa: PLC0415 - see above

    rotated = np.array([features.values], dtype=np.float64)  # (1, d)
    count = len(features)
    _reflect(rotated, _normals_of([key], count), range(count, 1, -1))
    return Features(tuple(rotated[0].tolist()))


def rotate_back(templates: "Sequence[Features]", keys: "Sequence[Secret]") -> "NDArray[np.float64]":
    """Undo `rotate` for many templates of one length, each under its own key: (n, d), in their order."""
    import numpy as np  # noqa: PLC0415 - see above

    if not templates:
        return np.empty((0, 0))
    features = np.array([template.values for template in templates], dtype=np.float64)  # (n, d)
    count = features.shape[1]
    at_once = max(1, MAX_NORMALS_AT_ONCE // (count * count // 2))
    for start in range(0, len(features), at_once):
        some = slice(start, start + at_once)
        _reflect(features[some], _normals_of(keys[some], count), range(2, count + 1))
    return features


def _reflect(features: "NDArray[np.float64]", normals: "NDArray[np.float64]", sizes: "Iterable[int]") -> None:
    """Reflect the last `size` numbers of each row along its own axis, one size after another, in place."""
    count = features.shape[1]
    for size in sizes:
        # The axes lie one after another, the longest first.
        start = (count * (count + 1) - size * (size + 1)) // 2
        axis = normals[:, start : start + size]  # (n, size)
        tail = features[:, count - size :]  # (n, size), a view
        length = 2.0 * (axis * tail).sum(axis=1) / (axis * axis).sum(axis=1)  # (n,)
        tail -= axis * length[:, None]


def _normals_of(keys: "Sequence[Secret]", count: int) -> "NDArray[np.float64]":
    """Return each key's axes for features of `count` numbers, (n, count (count + 1) / 2 - 1)."""
    import numpy as np  # noqa: PLC0415 - see above

    return np.stack([_normals(key, count * (count + 1) // 2 - 1) for key in keys])


def _normals(key: Secret, count: int) -> "NDArray[np.float64]":
    """Return `count` normally distributed numbers from the key's ChaCha20 stream, by Box and Muller."""
    import numpy as np  # noqa: PLC0415 - see above

    pairs = (count + 1) // 2
    stream = Cipher(algorithms.ChaCha20(key.reveal(), bytes(16)), mode=None).encryptor()
    words = np.frombuffer(stream.update(bytes(16 * pairs)), dtype="<u8")
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # in (0, 1)
    radius, angle = np.sqrt(-2.0 * np.log(uniform[:pairs])), 2.0 * np.pi * uniform[pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
