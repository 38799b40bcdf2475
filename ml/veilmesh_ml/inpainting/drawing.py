"""Outlines and lines drawn on the canvas, with smooth edges."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from veilmesh_ml.inpainting.canvas import CANVAS_PX
from veilmesh_ml.surrogate.points import Points

_FINE: Final = 4  # drawn so many times larger, for smooth edges
# First and last landmark, whether the line closes, its brightness.
_LINES: Final = (
    (0, 17, False, 110),
    (17, 22, False, 255),
    (22, 27, False, 255),
    (27, 31, False, 150),
    (31, 36, False, 190),
    (36, 42, True, 255),
    (42, 48, True, 255),
    (48, 60, True, 220),
    (60, 68, True, 255),
)


def filled(outline: Points) -> NDArray[np.uint8]:
    """Return the inside of an outline, with a smooth edge: uint8 (128, 128)."""
    picture, pen = _sheet()
    pen.polygon(_fine(outline), fill=255)
    return _reduced(picture)


def landmark_lines(points: Points) -> NDArray[np.uint8]:
    """Return the parts of the face as thin lines: uint8 (128, 128)."""
    picture, pen = _sheet()
    for first, last, closed, brightness in _LINES:
        part = points[first:last]
        path = np.concatenate([part, part[:1]]) if closed else part
        pen.line(_fine(path), fill=brightness, width=_FINE + 2, joint="curve")
    return _reduced(picture)


def _sheet() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("L", (CANVAS_PX * _FINE, CANVAS_PX * _FINE))
    return picture, ImageDraw.Draw(picture)


def _fine(points: Points) -> list[tuple[float, float]]:
    limited = np.clip((points + 0.5) * _FINE, -CANVAS_PX * _FINE, 2 * CANVAS_PX * _FINE)
    return [(x, y) for x, y in limited.tolist()]


def _reduced(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture.reduce(_FINE))
