"""Smooth warps between two sets of points: thin-plate splines (Bookstein 1989), on numpy and Pillow.

The spline is evaluated at the corners of a grid of cells and each cell is drawn as a quadrilateral, so that a
warp takes about a millisecond without OpenCV.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
        uint8 (side_px, side_px, 3); black where it comes from outside the picture.
    """
    ticks = np.arange(0, side_px + 1, CELL_PX, dtype=np.float64)
    corners = np.stack(np.meshgrid(ticks, ticks), axis=-1)  # [row, column, x and y]
    # Pillow counts from pixels' corners, landmarks from their middles.
    origins = spline(target + 0.5, source + 0.5, corners.reshape(-1, 2)).reshape(corners.shape)
    quads = np.concatenate(  # upper left, lower left, lower right, upper right
        [origins[:-1, :-1], origins[1:, :-1], origins[1:, 1:], origins[:-1, 1:]], axis=2
    )
    boxes = np.concatenate([corners[:-1, :-1], corners[1:, 1:]], axis=2).astype(int)
    mesh = list(
        zip(map(tuple, boxes.reshape(-1, 4).tolist()), map(tuple, quads.reshape(-1, 8).tolist()), strict=True)
    )
    warped = Image.fromarray(picture).transform(
        (side_px, side_px), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR
    )
    return np.asarray(warped)


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
