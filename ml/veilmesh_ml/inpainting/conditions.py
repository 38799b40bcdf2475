"""What the generator sees instead of the face: where to paint, the landmarks to paint to, a prior picture.

All of it comes from landmarks, a texture that is nobody's, the tone of the skin, and the photo outside the
mask. No pixel inside is used: `visible` blackens them before anything else is done.

The mask is the union of the person's own outline and the surrogate's, from the chin to the hairline, grown:
what leaks most is the person's own rim.

The prior's features, from the forehead to the chin, are a face already: they stay as they are, and what is
painted is hairline, temples and the rim of the cheeks, softly from there (`order.Order.completed`).
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.inpainting.bridge import bridged
from veilmesh_ml.inpainting.canvas import CANVAS_PX
from veilmesh_ml.inpainting.drawing import filled, landmark_lines
from veilmesh_ml.inpainting.smooth_warp import warp_picture
from veilmesh_ml.inpainting.tone import Tone, toned
from veilmesh_ml.surrogate.points import OUTLINE, Points

SEEN: Final = 8  # channels that a generator is given: photo 3, mask 1, lines 1, prior 3
GROWTH: Final = 1.06  # of the outline, away from its middle
_SURE: Final = 0.94  # of the outline: so far a texture is laid down; from there to the photo it is bridged
_JAW_POINTS: Final = 17  # come first in the outline
_DIRECTIONS: Final = 48  # of the mask's outline
# Of the surrogate's outline, about its middle: so far the prior stays.
_JAW_STAYS, _FOREHEAD_STAYS = 0.97, 0.88
_SOFT_PX: Final = 5.0  # from there inwards, until the prior is kept whole


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """On the canvas, each uint8.

    Attributes:
        surrounding: the photo, black inside the mask, (128, 128, 3).
        mask: (128, 128), 255 where the generator paints, 0 where the photo stays.
        lines: (128, 128), the landmarks to paint to.
        prior: (128, 128, 3), a face that is nobody's at these landmarks, bridged to the photo around it.
        features: (128, 128), how far the prior stays, 255 where it stays whole.
    """

    surrounding: NDArray[np.uint8] = field(repr=False)
    mask: NDArray[np.uint8] = field(repr=False)
    lines: NDArray[np.uint8] = field(repr=False)
    prior: NDArray[np.uint8] = field(repr=False)
    features: NDArray[np.uint8] = field(repr=False)


def conditions(
    canvas: NDArray[np.uint8],
    own: Points,
    surrogate: Points,
    texture: NDArray[np.uint8],
    mean_shape: Points,
    *,
    tone: Tone,
) -> Conditions:
    """Return what the generator is given.

    Args:
        canvas: the photo, uint8 (128, 128, 3).
        own: the person's 77 points on the canvas: they widen the mask, and are used for nothing else.
        surrogate: the de-identified 77 points on the canvas.
        texture: a face in the bank's frame, uint8 (160, 160, 3).
        mean_shape: where the texture's 77 points lie, (77, 2).
        tone: of the prior.
    """
    mask = filled(mask_outline(own, surrogate))
    surrounding = visible(canvas, mask)
    outline = surrogate[OUTLINE]
    middle = outline.mean(axis=0)
    sure = filled(middle + (outline - middle) * _SURE) / 255
    outside = (mask == 0).astype(np.float64)
    face = toned(warp_picture(texture, surrogate, mean_shape, CANVAS_PX), surrogate, tone)
    both = face * sure[..., np.newaxis] + surrounding * outside[..., np.newaxis]
    known = np.minimum(sure + outside, 1)
    prior = bridged(both / np.maximum(known, 1 / 255)[..., np.newaxis], known)
    return Conditions(
        surrounding,
        mask,
        landmark_lines(surrogate),
        np.clip(np.rint(prior), 0, 255).astype(np.uint8),
        features_of(surrogate),
    )


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


def features_of(points: Points) -> NDArray[np.uint8]:
    """Return how far each pixel of the canvas belongs to the features, uint8 (128, 128).

    Args:
        points: the face's 77 on the canvas.
    """
    outline = points[OUTLINE]
    middle = outline.mean(axis=0)
    stays = np.where(np.arange(len(outline)) < _JAW_POINTS, _JAW_STAYS, _FOREHEAD_STAYS)
    rows, columns = np.mgrid[:CANVAS_PX, :CANVAS_PX]
    right, down = columns - middle[0], rows - middle[1]
    reach = _reach((outline - middle) * stays[:, np.newaxis], np.arctan2(down, right))
    share = np.clip((reach - np.hypot(right, down)) / _SOFT_PX, 0, 1)
    return np.asarray(np.rint(share * share * (3 - 2 * share) * 255), dtype=np.uint8)


def _reach(outline: Points, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far an outline around the origin reaches in every direction."""
    direction = np.arctan2(outline[:, 1], outline[:, 0])
    order = np.argsort(direction, kind="stable")
    return np.asarray(np.interp(angles, direction[order], np.hypot(*outline.T)[order], period=2 * np.pi))
