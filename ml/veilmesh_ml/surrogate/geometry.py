"""Piecewise affine warps: how a face gets into the bank's frame and back.

In the bank's frame (`TEXTURE_PX` square) a face's 77 points (see `points`) always lie at the mean shape, so
that pixels of different people can be averaged. One triangulation of the mean shape serves every face.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.surrogate.points import Points

Plane: TypeAlias = NDArray[np.float32]  # (height, width)

TEXTURE_PX: Final = 160


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
