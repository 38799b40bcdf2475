"""Smooth warps between two sets of points: thin-plate splines (Bookstein 1989), on numpy alone.

The spline is evaluated at the corners of a grid of cells and interpolated within each, so that a warp takes
about two milliseconds without OpenCV.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.surrogate.points import Points

CELL_PX: Final = 8
# Added to the spline's diagonal, in squared pixels: near points that move apart do not fold it.
_SLACK: Final = 20.0


def warp_picture(
    picture: NDArray[np.uint8], target: Points, source: Points, side_px: int
) -> NDArray[np.uint8]:
    """Return the picture with its points moved.

    Args:
        picture: uint8 (height, width, 3).
        target: where the points are to lie, (n, 2) pixels of the result.
        source: where they lie in the picture.
        side_px: of the result, a multiple of `CELL_PX`.

    Returns:
        uint8 (side_px, side_px, 3); what comes from outside the picture repeats its edge.
    """
    ticks = np.arange(0, side_px + 1, CELL_PX, dtype=np.float64)
    corners = np.stack(np.meshgrid(ticks, ticks), axis=-1)  # [row, column, x and y]
    origins = spline(target, source, corners.reshape(-1, 2)).reshape(corners.shape)
    between = _between(side_px)
    across, down = (between @ origins[..., axis] @ between.T for axis in range(2))
    return _sampled(picture, across.astype(np.float32).ravel(), down.astype(np.float32).ravel()).reshape(
        side_px, side_px, 3
    )


@lru_cache(maxsize=4)
def _between(side_px: int) -> NDArray[np.float64]:
    """From values at the cells' corners to values at every pixel, (side_px, corners)."""
    corners = side_px // CELL_PX + 1
    place = np.arange(side_px)[:, np.newaxis] / CELL_PX
    return np.asarray(np.maximum(0, 1 - np.abs(place - np.arange(corners))))


def _sampled(
    picture: NDArray[np.uint8], across: NDArray[np.float32], down: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The picture at these places, (n, 3), each between its four pixels; its edge goes on outside."""
    height, width = picture.shape[:2]
    across, down = np.clip(across, 0, width - 1.001), np.clip(down, 0, height - 1.001)
    column, row = across.astype(np.int32), down.astype(np.int32)
    right, lower = (across - column)[:, np.newaxis], (down - row)[:, np.newaxis]
    flat = picture.reshape(-1, 3).astype(np.float32)
    upper_row = _along(flat, row * width + column, right)
    upper_row += (_along(flat, row * width + column + width, right) - upper_row) * lower
    upper_row += 0.5
    return upper_row.astype(np.uint8)


def _along(
    flat: NDArray[np.float32], first: NDArray[np.int32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Between these pixels and the ones after them."""
    pixels = flat.take(first, axis=0)
    pixels += (flat.take(first + 1, axis=0) - pixels) * share
    return np.asarray(pixels)


def spline(target: Points, source: Points, places: Points) -> Points:
    """Return where in the source each place of the target comes from, (m, 2)."""
    count = len(target)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bend(target, target)
    system[:count, :count].flat[:: count + 1] += _SLACK
    system[:count, count], system[:count, count + 1 :] = 1, target
    system[count, :count], system[count + 1 :, :count] = 1, target.T
    weights = np.linalg.solve(system, np.concatenate([source, np.zeros((3, 2))]))
    affine = weights[count] + places @ weights[count + 1 :]
    return np.asarray(_bend(places, target) @ weights[:count] + affine)


def _bend(places: Points, centres: Points) -> NDArray[np.float64]:
    """r^2 log r between every place and every centre, (m, n)."""
    across = places[:, :1] - centres[:, 0]
    down = places[:, 1:] - centres[:, 1]
    squared = across * across + down * down
    return np.asarray(0.5 * squared * np.log(squared + 1e-9))
