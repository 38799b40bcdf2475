"""Fills what lies between known pixels smoothly, coarse to fine.

Pull: halve the picture until one pixel is left, each the mean of the known ones beneath it. Push: from the
coarsest back, what is not known at a size is what the next coarser one says, enlarged. Numpy alone.

Source: Gortler et al. 1996, "The Lumigraph", section 3.4.2.
"""

import numpy as np
from numpy.typing import NDArray


def bridged(picture: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the picture with its unknown pixels filled.

    Args:
        picture: (side, side, channels), the side a power of 2.
        known: how sure each pixel is, 0 to 1, (side, side); somewhere above 0.
    """
    levels = []
    sums, weights = picture * known[..., np.newaxis], known
    while True:
        levels.append((sums / np.maximum(weights, 1e-6)[..., np.newaxis], weights))
        if len(weights) == 1:
            break
        sums, weights = _halved(sums), _halved(weights)
        surer = np.maximum(weights, 1.0)  # four pixels are no surer than one
        sums, weights = sums / surer[..., np.newaxis], weights / surer
    filled: NDArray[np.float64] = levels.pop()[0]
    for values, sure in reversed(levels):
        share = np.minimum(sure, 1.0)[..., np.newaxis]
        filled = values * share + _doubled(filled) * (1 - share)
    return filled


def _halved(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums over 2 x 2 pixels."""
    return np.asarray(values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2])


def _doubled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the side, by straight lines between pixels."""
    for axis in (0, 1):
        padded = np.concatenate([values.take([0], axis), values, values.take([-1], axis)], axis)
        before, after = (
            padded.take(range(values.shape[axis]), axis),
            padded.take(range(2, values.shape[axis] + 2), axis),
        )
        pairs = np.stack([values * 0.75 + before * 0.25, values * 0.75 + after * 0.25], axis + 1)
        shape = list(values.shape)
        shape[axis] *= 2
        values = pairs.reshape(shape)
    return values
