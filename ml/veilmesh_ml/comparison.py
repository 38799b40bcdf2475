"""Compare two sets of features: a number, and at a threshold a decision."""

from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Features: TypeAlias = NDArray[np.float64]  # (d,) or (n, d); d is the encoder's, 128 for dlib's

# dlib's own example decides here; on LFW it is about FMR 1e-2, so a consortium sets its own in the policy.
DLIB_THRESHOLD_DISSIMILARITY = 0.6


class Decision(StrEnum):
    MATCH = "match"
    NO_MATCH = "no match"


def dissimilarity(probe: Features, reference: Features) -> float:
    """Return the Euclidean distance between a probe and a reference.

    Args:
        probe: float64, shape (d,), as the encoder gave it: dlib's is not L2-normalised.
        reference: same shape, from the same `model_digest`; the caller sees to that.

    Returns:
        Unitless, >= 0; lower is more alike.

    Raises:
        ValueError: not two vectors of one length, or a number that is not finite.

    Source: dlib `examples/dnn_face_recognition_ex.cpp`.
    """
    if probe.ndim != 1 or probe.shape != reference.shape:
        raise ValueError(f"features have shapes {probe.shape} and {reference.shape}, not one length")
    distance = float(np.linalg.norm(probe.astype(np.float64) - reference.astype(np.float64)))
    if not np.isfinite(distance):
        raise ValueError("features hold a number that is not finite")
    return distance


def decide(
    dissimilarity_found: float, threshold_dissimilarity: float = DLIB_THRESHOLD_DISSIMILARITY
) -> Decision:
    """MATCH at or below the threshold."""
    return Decision.MATCH if dissimilarity_found <= threshold_dissimilarity else Decision.NO_MATCH
