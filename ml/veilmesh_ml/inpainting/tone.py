"""The tone of a face: how red, green and blue its skin is on the whole, three numbers.

A surrogate of another tone than neck, ears and light suggest looks pasted in, and a generator that sees
neither cheek nor nose has to guess. The tone is the median over the middle of a face; that much of a person
`cluster` keeps as well.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.inpainting.drawing import filled
from veilmesh_ml.surrogate.points import OUTLINE, Points

Tone = NDArray[np.float64]  # red, green and blue, 0 to 255, (3,)

_MIDDLE: Final = 0.6  # of the outline: forehead to chin, without hair
_LEAST, _MOST = 0.4, 2.5  # of a channel's gain


def face_tone(canvas: NDArray[np.uint8], points: Points) -> Tone:
    """Return the median red, green and blue of a face, 0 to 255.

    Args:
        canvas: uint8 (128, 128, 3).
        points: the face's 77 on it.

    Raises:
        ValueError: the face lies outside the canvas.
    """
    outline = points[OUTLINE]
    centre = outline.mean(axis=0)
    inside = canvas[filled(centre + (outline - centre) * _MIDDLE) > 0]
    if not len(inside):
        raise ValueError("the face lies outside the canvas")
    return np.asarray(np.median(inside, axis=0), dtype=np.float64)


def toned(face: NDArray[np.uint8], points: Points, wanted: Tone) -> NDArray[np.float64]:
    """Return a face on the canvas in the tone wanted, each channel multiplied, float64 (128, 128, 3)."""
    gain = np.clip(wanted / np.maximum(face_tone(face, points), 1), _LEAST, _MOST)
    return np.minimum(face * gain, 255)
