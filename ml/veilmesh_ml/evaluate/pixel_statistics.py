"""What counting bytes says of pictures, and of what they are stored as (S3, sections 5.2 to 5.4).

UACI and NPCR come from the study of ciphers for pictures: two pictures that differ in one pixel are
encrypted, and the ciphertexts compared. Of independent random bytes NPCR is 255/256 = 99.61 % and UACI
33.46 %. S3 measures UACI between generated and real pictures instead.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

RANDOM_NPCR: Final = 255 / 256
RANDOM_UACI: Final = (256**2 - 1) / (3 * 256 * 255)  # mean of |a - b| / 255


@dataclass(frozen=True, slots=True)
class Histogram:
    """Moments of all values of a set of pictures; kurtosis is Pearson's, 3 of a normal distribution."""

    mean: float
    standard_deviation: float
    skewness: float
    kurtosis: float

    @classmethod
    def of(cls, pictures: Bytes) -> "Histogram":
        values = np.arange(256.0)
        share = shares(pictures)
        mean = float(share @ values)
        off = values - mean
        spread = float(np.sqrt(share @ off**2))
        scaled = off / max(spread, 1e-12)
        return cls(mean, spread, float(share @ scaled**3), float(share @ scaled**4))

    def document(self) -> Mapping[str, float]:
        """For a JSON report."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def shares(values: Bytes) -> NDArray[np.float64]:
    """Return how often each of the 256 values occurs, of all, (256,)."""
    return np.bincount(values.ravel(), minlength=256) / max(1, values.size)


def entropies(pictures: Bytes) -> NDArray[np.float64]:
    """Return each picture's entropy by Shannon, bits a value, 0 to 8, (n,)."""
    each = np.stack([shares(picture) for picture in pictures])
    return np.asarray(-(each * np.log2(np.where(each > 0, each, 1))).sum(axis=1))


def uaci(one: Bytes, other: Bytes) -> NDArray[np.float64]:
    """Return the unified average changing intensity of every pair, 0 to 1, (n,): mean |a - b| / 255."""
    off = np.abs(one.astype(np.int16) - other).reshape(len(one), -1)
    return np.asarray(off.mean(axis=1) / 255)


def npcr(one: Bytes, other: Bytes) -> NDArray[np.float64]:
    """Return the number of pixels change rate of every pair, 0 to 1, (n,): how many values differ."""
    return np.asarray((one != other).reshape(len(one), -1).mean(axis=1))
