"""Fewer, equal steps: what is linear before or behind a convolution becomes part of it.

All in float64; whoever writes a graph rounds to float32, once.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from veilmesh_ml.fast.dlib_network import Affine, Convolution, Input, Layer

PIXEL_SCALE = 256  # dlib's networks see (value - mean) / 256


def folded_convolutions(layers: Iterable[Layer]) -> list[Convolution]:
    """Return the convolutions, each with the affine that follows it."""
    found: list[Convolution] = []
    previous: Layer | None = None
    for layer in layers:
        if isinstance(layer, Convolution):
            found.append(layer)
        elif isinstance(layer, Affine) and isinstance(previous, Convolution):
            found[-1] = _with_affine(previous, layer)
        previous = layer
    return found


def with_pixel_scale(convolution: Convolution) -> Convolution:
    """Return the convolution that divides its input by 256 first."""
    return replace(convolution, weights=convolution.weights.astype(np.float64) / PIXEL_SCALE)


def with_mean(convolution: Convolution, pixels: Input) -> Convolution:
    """Return the convolution that subtracts the mean from its input first.

    Only right where there is no padding: the zeros about a picture mean the mean, not black.
    """
    if convolution.padding:
        raise ValueError("the mean cannot be folded into a convolution with padding")
    mean = np.asarray(pixels.mean)[np.newaxis, :, np.newaxis, np.newaxis]
    shift = (convolution.weights.astype(np.float64) * mean).sum(axis=(1, 2, 3))
    return replace(convolution, biases=convolution.biases.astype(np.float64) - shift)


def _with_affine(convolution: Convolution, affine: Affine) -> Convolution:
    gain = affine.gain[:, np.newaxis, np.newaxis, np.newaxis]
    return replace(
        convolution,
        weights=convolution.weights.astype(np.float64) * gain,
        biases=convolution.biases.astype(np.float64) * affine.gain + affine.offset,
    )
