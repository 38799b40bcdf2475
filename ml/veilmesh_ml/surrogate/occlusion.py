"""Which pixels before a face are not skin: hair, hats, microphones. They stay in the picture.

Decided per pixel from the photo itself: what the skin looks like is learnt from cheeks, nose and chin (its
colour, and how its lightness falls off across the face); what differs clearly, lies where hair may be
(forehead and rim) or covers a good part of the face, and reaches in from outside, is kept. The edge follows
the photo's own edges (guided filter, He et al. 2013).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.surrogate.geometry import Plane
from veilmesh_ml.surrogate.samples import middle, sampled

Lab = NDArray[np.float32]  # (height, width, 3), as OpenCV scales it for uint8: 0 to 255

LIGHTER: Final = 0.3
SURE_SHARE: Final = 0.1
GLARE: Final = 250  # lightness, of 255


@dataclass(frozen=True, slots=True, eq=False)
class SkinModel:
    """Colour of this face's skin at every pixel, and how far skin strays from it.

    Attributes:
        expected: float32 (height, width, 3): lightness an affine function of the place, colour constant.
        spread: (3,), standard deviations.
    """

    expected: Lab
    spread: NDArray[np.float32]

    def unlikeness(self, lab: Lab) -> Plane:
        """Return how many standard deviations each pixel is off; lighter ones, highlights, count little."""
        off = (lab - self.expected) / self.spread
        off[..., 1:] *= np.clip((GLARE - lab[..., :1]) / 50, 0, 1)  # what glares has lost its colour
        off[..., 0] = np.where(off[..., 0] > 0, off[..., 0] * LIGHTER, off[..., 0])
        return np.asarray(np.sqrt(off[..., 0] ** 2 + off[..., 1] ** 2 + off[..., 2] ** 2), dtype=np.float32)


def learn_skin(lab: Lab, skin: NDArray[np.bool_]) -> SkinModel:
    """Fit to the pixels that should be skin; twice, the second time without those that are not.

    Args:
        lab: the photo.
        skin: where cheeks, nose and chin are; at least a dozen pixels.
    """
    height, width = skin.shape
    chosen_px = sampled(skin)
    rows, columns = np.divmod(chosen_px, width)
    values = lab.reshape(-1, 3)[chosen_px]
    places = np.column_stack([np.ones(len(rows)), columns / width - 0.5, rows / height - 0.5])
    good: NDArray[np.bool_] = np.ones(len(rows), dtype=np.bool_)
    plane, spread = np.zeros(3), np.ones(3, dtype=np.float32)
    colour = middle(values[:, 1:])
    for _ in range(2):
        chosen = places[good]
        plane = np.linalg.solve(chosen.T @ chosen + 1e-3 * np.eye(3), chosen.T @ values[good, 0])
        residual = np.column_stack([values[:, 0] - places @ plane, values[:, 1:] - colour])
        spread = 1.4826 * middle(np.abs(residual - middle(residual)))
        spread = np.clip(spread, (9, 3.5, 3.5), (26, 9, 9)).astype(np.float32)
        good = np.asarray((np.abs(residual) < 2.5 * spread).all(axis=1))
        if good.sum() < 12:
            break
        colour = middle(values[good, 1:])
    across, down = _centred(width), _centred(height)[:, np.newaxis]
    # the fall-off is not carried on without end into the forehead
    level, by_column, by_row = np.clip(plane, (0, -90, -60), (255, 90, 60)).astype(np.float32)
    light = level + by_column * across + by_row * down
    expected = np.empty((height, width, 3), dtype=np.float32)
    expected[..., 0] = light
    expected[..., 1:] = colour
    return SkinModel(expected, spread)


def fall_off(light: Plane, skin: NDArray[np.bool_]) -> Plane:
    """Return how lightness changes across the face: an affine field without its mean over the skin.

    Args:
        light: lightness.
        skin: the pixels it is fitted to, least squares; at least a dozen.
    """
    height, width = light.shape
    chosen = sampled(skin)
    rows, columns = np.divmod(chosen, width)
    places = np.column_stack([columns / width, rows / height]) - 0.5
    middle = places.mean(axis=0)
    centred = places - middle
    values = light.ravel()[chosen]
    slope = np.linalg.solve(centred.T @ centred + 1e-2 * np.eye(2), centred.T @ (values - values.mean()))
    by_column, by_row = slope.astype(np.float32)
    level = np.float32(slope @ middle)
    falling = by_column * _centred(width) + by_row * _centred(height)[:, np.newaxis] - level
    return np.asarray(np.clip(falling, -50, 50), dtype=np.float32)


def _centred(length: int) -> NDArray[np.float32]:
    """Places along a side of the picture, from -0.5 to 0.5."""
    return np.arange(length, dtype=np.float32) / np.float32(length) - np.float32(0.5)


def reaching_in(
    candidate: NDArray[np.bool_], sure: NDArray[np.bool_], depth_px: Plane, rim_px: float, least_px: int
) -> NDArray[np.bool_]:
    """Return the connected parts of `candidate` that touch the rim, are large, and hold enough sure pixels.

    Args:
        candidate: what may be hair or a thing.
        sure: what certainly is; a tenth of a part has to be.
        depth_px: distance to the outline.
        rim_px: a part touches the rim where it is this near to the outline.
        least_px: how many pixels a part has at least.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(candidate.astype(np.uint8), connectivity=4)
    touching = np.zeros(len(stats), dtype=np.bool_)
    touching[np.unique(labels[candidate & (depth_px <= rim_px)])] = True
    areas = stats[:, cv2.CC_STAT_AREA]
    certain = np.bincount(labels[candidate & sure], minlength=len(stats))
    touching &= (areas >= least_px) & (certain >= SURE_SHARE * areas)
    touching[0] = False
    return np.asarray(touching[labels])


def follow_edges(matte: Plane, guide: Plane, radius_px: int, epsilon: float) -> tuple[Plane, Plane]:
    """Return the guided filter's coefficients: the refined matte is slope * guide + offset."""
    size = (2 * radius_px + 1, 2 * radius_px + 1)
    mean_guide, mean_matte = cv2.blur(guide, size), cv2.blur(matte, size)
    variance = cv2.blur(guide * guide, size) - mean_guide**2
    covariance = cv2.blur(guide * matte, size) - mean_guide * mean_matte
    slope = covariance / (variance + epsilon)
    offset = mean_matte - slope * mean_guide
    return (
        np.asarray(cv2.blur(slope, size), dtype=np.float32),
        np.asarray(cv2.blur(offset, size), dtype=np.float32),
    )
