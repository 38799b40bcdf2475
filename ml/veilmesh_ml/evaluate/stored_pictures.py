"""What encrypted pictures look like from outside, and what storing them takes (S3, sections 5.1 and 5.4).

How pictures are encrypted is the caller's: a `Storage` seals bytes as a node's vault does. A picture is
sealed as it lies in memory, so that its ciphertext can be laid beside another's value by value; what is timed
is the way there and back as a PNG file.

NPCR and UACI near those of random bytes are no proof of a good cipher. The identity test shows it: AES-GCM
draws a nonce each time, so the same picture sealed twice scores as high as two different ones.
"""

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.pixel_statistics import Histogram, entropies, npcr, uaci

Pictures = NDArray[np.uint8]  # (n, height, width, 3)


@dataclass(frozen=True, slots=True)
class Storage:
    """Attributes: its name for people; plaintext to what is stored, which may be longer; and back."""

    name: str
    seal: Callable[[bytes], bytes]
    unseal: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Difference:
    """Attributes: over pairs, shares of 1."""

    npcr: Estimate
    uaci: Estimate

    @classmethod
    def between(cls, one: Pictures, other: Pictures) -> "Difference":
        return cls(Estimate.mean(npcr(one, other)), Estimate.mean(uaci(one, other)))

    def document(self) -> Mapping[str, object]:
        """For a JSON report."""
        return {"npcr": self.npcr.document(), "uaci": self.uaci.document()}


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """What was measured.

    Attributes:
        one_pixel: between ciphertexts of two pictures that differ by one grey level of one pixel.
        identity: between two ciphertexts of the same picture.
        plain_identity: between a picture and itself, unencrypted.
        histogram, entropy: of the ciphertexts.
        encode_ms, decode_ms: a picture to a sealed PNG file, and back; medians.
    """

    one_pixel: Difference
    identity: Difference
    plain_identity: Difference
    histogram: Histogram
    entropy: Estimate
    encode_ms: float
    decode_ms: float


def measure_storage(pictures: Pictures, storage: Storage) -> StoredFigures:
    """Seal pictures and count; at least two."""
    changed = pictures.copy()
    middle = pictures.shape[1] // 2
    changed[:, middle, middle, 0] ^= 1
    sealed = _sealed(pictures, storage)
    encode_ms, decode_ms = _there_and_back(pictures, storage)
    return StoredFigures(
        one_pixel=Difference.between(sealed, _sealed(changed, storage)),
        identity=Difference.between(sealed, _sealed(pictures, storage)),
        plain_identity=Difference.between(pictures, pictures),
        histogram=Histogram.of(sealed),
        entropy=Estimate.mean(entropies(sealed)),
        encode_ms=encode_ms,
        decode_ms=decode_ms,
    )


def _sealed(pictures: Pictures, storage: Storage) -> NDArray[np.uint8]:
    """Return the ciphertexts, uint8 (n, bytes)."""
    return np.stack([np.frombuffer(storage.seal(picture.tobytes()), dtype=np.uint8) for picture in pictures])


def _there_and_back(pictures: Pictures, storage: Storage) -> tuple[float, float]:
    there, back = [], []
    for picture in pictures:
        began = time.perf_counter()
        file = io.BytesIO()
        Image.fromarray(picture).save(file, format="PNG")
        sealed = storage.seal(file.getvalue())
        sealed_at = time.perf_counter()
        np.asarray(Image.open(io.BytesIO(storage.unseal(sealed)), formats=("PNG",)))
        there.append(sealed_at - began)
        back.append(time.perf_counter() - sealed_at)
    return 1000 * float(np.median(there)), 1000 * float(np.median(back))
