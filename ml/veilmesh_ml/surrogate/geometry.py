"""Points, alignment and warps: how a face gets into the bank's frame and back.

A face is 77 points: the 68 landmarks and 9 more on an arc over the forehead, from temple to temple. In the
bank's frame (`TEXTURE_PX` square) these points always lie at the mean shape, so that pixels of different
people can be averaged. One triangulation of the mean shape serves every face.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]  # (n, 2): x, y in pixels
Plane: TypeAlias = NDArray[np.float32]  # (height, width)

TEXTURE_PX: Final = 160
ARC_POINTS: Final = 9
# Crown of the arc above the brows, in units of brow to nose base: the rule of thirds, a little shorter.
FOREHEAD_HEIGHT: Final = 0.95
OUTLINE: Final = [*range(17), *range(68, 68 + ARC_POINTS)]  # jaw, then the arc back
# Landmarks of the mirrored face, in the scheme's order.
MIRRORED: Final = np.array(
    [
        *(*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
    ]
)
# In alignment the jaw counts more and the mouth less: it moves with every word.
ALIGNMENT_WEIGHTS: Final = np.concatenate([np.full(17, 1.5), np.ones(31), np.full(20, 0.3)])


def with_forehead(
    landmarks: NDArray[np.floating] | NDArray[np.integer], height: float = FOREHEAD_HEIGHT
) -> Points:
    """Return the 68 landmarks and the 9 points of the forehead's arc, float64 (77, 2)."""
    points = np.asarray(landmarks, dtype=np.float64)
    centre, half = (points[0] + points[16]) / 2, (points[16] - points[0]) / 2
    brow = points[17:27].mean(axis=0)
    crown = brow + height * (brow - points[33])
    angle = np.linspace(0, np.pi, ARC_POINTS + 2)[1:-1, np.newaxis]
    return np.concatenate([points, centre + np.cos(angle) * half + np.sin(angle) * (crown - centre)])


@dataclass(frozen=True, slots=True)
class Similarity:
    """Turn, scale and shift: x -> x @ matrix.T + shift."""

    matrix: NDArray[np.float64]  # (2, 2)
    shift: NDArray[np.float64]  # (2,)

    def apply(self, points: Points) -> Points:
        return points @ self.matrix.T + self.shift

    def undo(self, points: Points) -> Points:
        return (points - self.shift) @ np.linalg.inv(self.matrix).T


def fit_similarity(source: Points, target: Points, weights: NDArray[np.float64] | None = None) -> Similarity:
    """Return the similarity that brings `source` nearest to `target` (weighted least squares, Procrustes)."""
    share = np.ones(len(source)) if weights is None else weights
    share = share / share.sum()
    from_centre, to_centre = share @ source, share @ target
    moved, goal = (source - from_centre) @ [1, 1j], (target - to_centre) @ [1, 1j]
    size = max(float(share @ np.abs(moved) ** 2), 1e-9)
    turn = complex((share * np.conj(moved)) @ goal / size)
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return Similarity(matrix, to_centre - matrix @ from_centre)


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """For every pixel of a target plane, where in the source its value comes from.

    Attributes:
        across, down: float32 (height, width), as `cv2.remap` takes them; -1 outside the triangles.
        inside: bool (height, width), covered by a triangle.
    """

    across: Plane
    down: Plane
    inside: NDArray[np.bool_]

    def pull(self, source: NDArray[np.uint8], interpolation: int = cv2.INTER_LINEAR) -> NDArray[np.uint8]:
        """Return the source as the target sees it; what is outside repeats the source's edge."""
        pulled = cv2.remap(source, self.across, self.down, interpolation, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(pulled, dtype=np.uint8)


def piecewise_affine(
    target: Points, source: Points, triangles: NDArray[np.integer], height: int, width: int
) -> Warp:
    """Return the warp that is affine on every triangle.

    Args:
        target: the points in the target plane, (n, 2).
        source: the same points in the source.
        triangles: (m, 3) indices of points.
        height: of the target plane.
        width: of the target plane.

    A triangle without area takes its pixels from the middle of its source.
    """
    return follow(owners(target, triangles, height, width), target, source, triangles)


def owners(points: Points, triangles: NDArray[np.integer], height: int, width: int) -> NDArray[np.int32]:
    """Return which triangle each pixel of a plane lies in: its number from 1, or 0 for none."""
    owner = np.zeros((height, width), dtype=np.int32)
    fine = np.rint(np.clip(points, -16384, 16384) * 16).astype(np.int32)  # sixteenths of a pixel
    for number, corners in enumerate(fine[triangles], start=1):
        cv2.fillConvexPoly(owner, corners, number, cv2.LINE_8, 4)
    return owner


def follow(owner: NDArray[np.int32], target: Points, source: Points, triangles: NDArray[np.integer]) -> Warp:
    """Return the warp of a plane whose pixels' triangles are known; see `piecewise_affine`."""
    corners = np.concatenate([target[triangles], np.ones((len(triangles), 3, 1))], axis=2)
    origins = source[triangles]
    flat = np.abs(np.linalg.det(corners)) < 0.05  # twice the area, pixels
    affine = np.zeros((len(triangles) + 1, 3, 2))
    affine[0, 2] = -1
    affine[1:][~flat] = np.linalg.solve(corners[~flat], origins[~flat])
    affine[1:][flat, 2] = origins[flat].mean(axis=1)
    height, width = owner.shape
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, np.newaxis]
    by_column, by_row, constant = affine.astype(np.float32).transpose(1, 2, 0)
    across, down = (
        by_column[axis].take(owner, mode="clip") * columns
        + by_row[axis].take(owner, mode="clip") * rows
        + constant[axis].take(owner, mode="clip")
        for axis in range(2)
    )
    return Warp(across, down, owner > 0)
