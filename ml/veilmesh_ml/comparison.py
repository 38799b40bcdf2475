"""Compare two sets of features: a number, and at a threshold a decision."""

from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Features: TypeAlias = NDArray[np.float64]  # (128,) or (n, 128)

# dlib's own example decides here; on LFW it is about FMR 1e-2, so a consortium sets its own in the policy.
DLIB_THRESHOLD_DISSIMILARITY = 0.6


class Decision(StrEnum):
    MATCH = "match"
    NO_MATCH = "no match"


def dissimilarity(probe: Features, reference: Features) -> float:
    """Return the Euclidean distance between a probe and a reference.

    Args:
        probe: float64, shape (128,), from one 150 x 150 RGB chip; not L2-normalised.
        reference: same shape, from the same `model_digest`; the caller sees to that.

    Returns:
        Unitless, >= 0; lower is more alike.

    Raises:
        ValueError: a shape other than (128,), or a number that is not finite.

    Source: dlib `examples/dnn_face_recognition_ex.cpp`.
    """
    if probe.shape != (128,) or reference.shape != (128,):
        raise ValueError(f"features have shapes {probe.shape} and {reference.shape}, not (128,)")
    distance = float(np.linalg.norm(probe.astype(np.float64) - reference.astype(np.float64)))
    if not np.isfinite(distance):
        raise ValueError("features hold a number that is not finite")
    return distance


def decide(
    dissimilarity_found: float, threshold_dissimilarity: float = DLIB_THRESHOLD_DISSIMILARITY
) -> Decision:
    """MATCH at or below the threshold."""
    return Decision.MATCH if dissimilarity_found <= threshold_dissimilarity else Decision.NO_MATCH
