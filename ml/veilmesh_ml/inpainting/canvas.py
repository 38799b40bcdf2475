"""The square a generator paints in: a face upright at one size, with hair and background around it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.surrogate.points import ALIGNMENT_WEIGHTS, Points, Similarity, fit_similarity

CANVAS_PX: Final = 128
# A face of the mean shape is 85 px high, a little below the middle: hair needs more room than the neck.
FACE_SCALE: Final = 0.56  # canvas pixels to one of the bank's frame
_MIDDLE: Final = np.array([64.0, 67.0])


def canvas_shape(mean_shape: Points) -> Points:
    """Return where the mean face lies on the canvas, from where it lies in the bank's frame, (n, 2)."""
    centre = (mean_shape.min(axis=0) + mean_shape.max(axis=0)) / 2
    return np.asarray((mean_shape - centre) * FACE_SCALE + _MIDDLE)


def onto_canvas(landmarks: NDArray[np.floating] | NDArray[np.integer], mean_shape: Points) -> Similarity:
    """Return the similarity that brings a photo's face to the canvas.

    Args:
        landmarks: in the photo, (68, 2).
        mean_shape: of the bank's frame, (77, 2).
    """
    points = np.asarray(landmarks, dtype=np.float64)
    return fit_similarity(points, canvas_shape(mean_shape)[:68], ALIGNMENT_WEIGHTS)
