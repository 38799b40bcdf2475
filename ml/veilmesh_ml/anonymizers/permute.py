"""Keyed permutation of the pixels around eyes, brows, nose and mouth; the key's owner undoes it exactly.

After He Yi, Shi Lei and Hernandez, "Privacy-Preserving Facial Recognition Models" (their section 2.2):
locate the key regions, split into colour channels, permute the pixels without repetition. Here each
channel has a permutation of its own, drawn from a 256-bit key.

What it does not hide: the region's histogram per channel, and everything outside the region. Whether that
still gives the person away is the release gate's question, and on most photos at n = 6000 the answer
decides whether the result may go out at all.
"""

import hmac
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, ChangedArea, require
from veilmesh_ml.anonymizers.recovery import Recovery, Step, image_digest, key_check
from veilmesh_ml.errors import AlteredImageError, WrongKeyError
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import derive, key_or_fresh, permutation
from veilmesh_ml.regions import Region, key_region


class Permute:
    """Permute n pixels a face; see `regions.key_region` for which, and for faces with fewer or more.

    Faces are permuted one after the other, so where two overlap their shared pixels move twice, and
    `restore` goes back in reverse order.
    """

    name: Final = "permute"
    attempts: Final = 3

    def __init__(self, n: int = 6000, key: bytes | None = None) -> None:
        """N: 2 to 64 million pixels. Key: 32 bytes; without one, a fresh one is used and forgotten."""
        require(2 <= n <= 64_000_000, f"n {n} is not within 2 and 64,000,000")
        self.n, self._key = n, key_or_fresh(key)

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Permute; every further attempt takes twice as many pixels.

        Equal key, picture, faces and attempt give an equal result, and any other another.
        """
        n = self.n * 2**attempt
        permuted = image.copy()
        steps = []
        for face in faces:
            region = key_region(image.shape, face, n)
            nonce = self._nonce(permuted, region)
            _permute_region(permuted, Step(nonce, region), self._key)
            steps.append(Step(nonce, region))
        digest = image_digest(permuted)
        recovery = Recovery(tuple(steps), digest, key_check(self._key, digest))
        areas = tuple(ChangedArea(step.region.window, step.region.pixels) for step in steps)
        return AnonymizedImage(permuted, self.name, {"n": n}, areas, recovery=recovery)

    def _nonce(self, image: RgbImage, region: Region) -> bytes:
        """16 bytes computed from the key and what is permuted, and where.

        Drawn at random, a restored virtual machine could repeat one for another picture.
        """
        window = region.window
        where = f"{window.left},{window.top},{window.right},{window.bottom};".encode()
        what = image[region.rows_and_columns][region.mask].tobytes()
        shape = region.mask.tobytes()
        return hmac.digest(derive(self._key, "permute", "nonce"), where + shape + what, "sha256")[:16]


def restore(image: RgbImage, recovery: Recovery, key: bytes) -> RgbImage:
    """Undo a permutation exactly.

    Args:
        image: the permuted picture, uint8 (height, width, 3), unchanged since.
        recovery: the record that `anonymize` gave.
        key: the 32 bytes it was permuted with.

    Returns:
        The original, bit for bit.

    Raises:
        WrongKeyError: another key.
        AlteredImageError: another picture, or this one after lossy saving.
    """
    if not hmac.compare_digest(key_check(key, recovery.image_digest), recovery.key_check):
        raise WrongKeyError("this is not the key the picture was permuted with")
    if not hmac.compare_digest(image_digest(image), recovery.image_digest):
        raise AlteredImageError(
            "the picture is not the one that was released",
            hint="use the lossless file: a JPEG of a permuted picture cannot be restored",
        )
    restored = image.copy()
    for step in reversed(recovery.steps):
        _restore_region(restored, step, key)
    return restored


def _orders(step: Step, key: bytes) -> list[NDArray[np.intp]]:
    """One permutation of the region's pixels per channel: R, G, B."""
    return [
        permutation(derive(key, "permute", channel, salt=step.nonce), step.region.pixels)
        for channel in range(3)
    ]


def _permute_region(image: RgbImage, step: Step, key: bytes) -> None:
    """Permute a region in place: pixel i of the region receives pixel order[i]."""
    window = image[step.region.rows_and_columns]
    pixels = window[step.region.mask]  # (pixels, 3), a copy
    for channel, order in enumerate(_orders(step, key)):
        pixels[:, channel] = pixels[order, channel]
    window[step.region.mask] = pixels


def _restore_region(image: RgbImage, step: Step, key: bytes) -> None:
    window = image[step.region.rows_and_columns]
    pixels = window[step.region.mask]
    for channel, order in enumerate(_orders(step, key)):
        pixels[order, channel] = pixels[:, channel].copy()
    window[step.region.mask] = pixels
