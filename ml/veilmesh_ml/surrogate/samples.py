"""Pixels to take statistics from: a median of some hundreds says what one of ten thousand says."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST: Final = 800


def sampled(mask: NDArray[np.bool_], most: int = MOST) -> NDArray[np.intp]:
    """Return at most `most` of the mask's pixels, evenly spread, as indices into the flattened plane."""
    places = np.flatnonzero(mask)
    return places[:: -(-len(places) // most)] if len(places) > most else places


def middle(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median over the first axis (of an even count, the upper one)."""
    half = len(values) // 2
    return np.asarray(np.partition(values, half, axis=0)[half])
