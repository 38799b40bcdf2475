"""What the generator sees instead of the face: where to paint, the landmarks to paint to, a prior picture.

All of it comes from landmarks and a texture that is nobody's. The generator gets the photo outside the mask
and never a pixel inside: `visible` blackens them before anything else is done.

The mask is the union of the person's own outline and the surrogate's, from the chin to the hairline, grown:
what leaks most is the person's own rim.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from veilmesh_ml.inpainting.canvas import CANVAS_PX
from veilmesh_ml.inpainting.smooth_warp import warp_picture
from veilmesh_ml.surrogate.points import OUTLINE, Points

SEEN: Final = 8  # channels that a generator is given: photo 3, mask 1, lines 1, prior 3
GROWTH: Final = 1.12  # of the outline, away from its middle
_DIRECTIONS: Final = 48  # of the mask's outline
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


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """On the canvas, each uint8.

    Attributes:
        mask: (128, 128), 255 where the generator paints, 0 where the photo stays.
        lines: (128, 128), the landmarks to paint to.
        prior: (128, 128, 3), a face that is nobody's at these landmarks; grey outside it.
    """

    mask: NDArray[np.uint8] = field(repr=False)
    lines: NDArray[np.uint8] = field(repr=False)
    prior: NDArray[np.uint8] = field(repr=False)


def conditions(own: Points, surrogate: Points, texture: NDArray[np.uint8], mean_shape: Points) -> Conditions:
    """Return what the generator is given.

    Args:
        own: the person's 77 points on the canvas: they widen the mask, and are used for nothing else.
        surrogate: the de-identified 77 points on the canvas.
        texture: a face in the bank's frame, uint8 (160, 160, 3).
        mean_shape: where the texture's 77 points lie, (77, 2).
    """
    grey = np.full((CANVAS_PX, CANVAS_PX, 3), 127, dtype=np.uint8)
    warped = warp_picture(texture, surrogate, mean_shape, CANVAS_PX)
    inside = filled(surrogate[OUTLINE])[..., np.newaxis]
    prior = np.where(inside > 127, warped, grey)
    return Conditions(filled(mask_outline(own, surrogate)), landmark_lines(surrogate), prior)


def visible(canvas: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the canvas, uint8 (128, 128, 3), black wherever the mask is not 0."""
    return np.where(mask[..., np.newaxis] > 0, np.uint8(0), canvas)


def mask_outline(own: Points, surrogate: Points) -> Points:
    """Return the outline of what is painted, (48, 2), from both outlines on the canvas."""
    middle = surrogate[OUTLINE].mean(axis=0)
    angles = np.linspace(-np.pi, np.pi, _DIRECTIONS, endpoint=False)
    reach = np.maximum(_reach(own[OUTLINE] - middle, angles), _reach(surrogate[OUTLINE] - middle, angles))
    smooth = (np.roll(reach, 1) + 2 * reach + np.roll(reach, -1)) / 4
    return np.asarray(
        middle + np.column_stack([np.cos(angles), np.sin(angles)]) * smooth[:, np.newaxis] * GROWTH
    )


def _reach(outline: Points, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far an outline around the origin reaches in every direction."""
    direction = np.arctan2(outline[:, 1], outline[:, 0])
    order = np.argsort(direction, kind="stable")
    return np.asarray(np.interp(angles, direction[order], np.hypot(*outline.T)[order], period=2 * np.pi))


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
