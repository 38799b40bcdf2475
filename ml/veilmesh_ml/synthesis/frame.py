"""Where a face lies in the pictures that the style-based GAN makes: 64 px of the canvas's middle 96.

Chin, forehead and what surrounds them are in it, as much as detectors and encoders look at; the rest of the
canvas would only make the face smaller. Not warped to the mean shape: pose is one of the things that vary.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.inpainting.canvas import canvas_shape, onto_canvas
from veilmesh_ml.surrogate.points import Points, Similarity

FACE_PX: Final = 64
CROP: Final = (16, 20, 112, 116)  # of the canvas: left, top, right, bottom
_SCALE: Final = FACE_PX / (CROP[2] - CROP[0])


def mean_points(mean_shape: Points) -> Points:
    """Return where the mean face lies in such a picture, from where it lies in the bank's frame, (n, 2)."""
    return _from_canvas().apply(canvas_shape(mean_shape))


def onto_picture(landmarks: NDArray[np.floating] | NDArray[np.integer], mean_shape: Points) -> Similarity:
    """Return the similarity that brings a photo's face into such a picture.

    Args:
        landmarks: in the photo, (68, 2).
        mean_shape: of the bank's frame, (77, 2).
    """
    onto, further = onto_canvas(landmarks, mean_shape), _from_canvas()
    return Similarity(further.matrix @ onto.matrix, further.apply(onto.shift[np.newaxis])[0])


def _from_canvas() -> Similarity:
    """Pixels' middles lie at whole numbers: of the canvas's x, (x + 0.5 - left) * scale - 0.5 is here."""
    shift = (0.5 - np.array(CROP[:2], dtype=np.float64)) * _SCALE - 0.5
    return Similarity(np.eye(2) * _SCALE, shift)
