"""dlib's pyramid of a picture, tiled into one picture, so that one pass of a network sees all sizes.

Every level is five sixths of the one before and made from it, down to a height of 5 px. Levels stand below
one another in a first column, as wide as the picture, until the next one fits beside the last; then they
rise again along its right edge, until they would meet the picture. Between and about them are zeros. The
network sees 189 px at once, across the gaps, so equal scores need this very arrangement.

Source: dlib `image_transforms/image_pyramid.h`: `compute_tiled_image_pyramid_details`,
`tiled_pyramid_to_image`.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.fast.onnx_model import OnnxGraph

GAP_PX = 10
MARGIN_PX = 11
SMALLEST_HEIGHT_PX = 5
RATIO = 5.0 / 6.0
LEVEL, SIZES, SMALLER = "level", "sizes", "smaller"  # names in the graph
ENLARGEMENT = 6.0 / 5.0


@dataclass(frozen=True, slots=True)
class Level:
    """Where a level lies in the tiled picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, tiled: Any) -> Any:
        """Return a view of this level in a tiled picture (..., height, width), an array or a tensor."""
        return tiled[..., self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True, slots=True)
class Tiling:
    """The arrangement for pictures of one size. Attributes: levels: the picture itself first."""

    levels: tuple[Level, ...]
    width: int
    height: int

    def levels_at(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the level, (n,), that each point (n, 2), x and y, lies in or is nearest to."""
        left, top, width, height = (
            np.array([getattr(level, edge) for level in self.levels])
            for edge in ("left", "top", "width", "height")
        )
        x, y = points[:, :1], points[:, 1:]
        across = np.maximum(np.maximum(left - x, x - (left + width - 1)), 0)
        down = np.maximum(np.maximum(top - y, y - (top + height - 1)), 0)
        nearest: NDArray[np.int64] = np.argmin(across**2 + down**2, axis=1)
        return nearest

    def to_picture(self, points: NDArray[np.float64], levels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return where points (n, 2) of the tiled picture, in these levels (n,), lie in the picture."""
        corners = np.array([(level.left, level.top) for level in self.levels])
        moved: NDArray[np.float64] = points - corners[levels]
        for index in range(1, len(self.levels)):
            deeper = levels >= index
            moved[deeper] = moved[deeper] * ENLARGEMENT + 0.3
        return moved


def tiling(height: int, width: int) -> Tiling:
    """Arrange the pyramid of a picture of this size."""
    sizes = _sizes(height, width)
    column = _column_height(sizes)
    levels: list[Level] = []
    top = MARGIN_PX
    for level_width, level_height in sizes:
        if top >= column + MARGIN_PX:
            break
        levels.append(Level(MARGIN_PX, top, level_width, level_height))
        top += level_height + GAP_PX
    bottom = top - GAP_PX
    for level_width, level_height in sizes[len(levels) :]:
        if bottom - level_height < MARGIN_PX + height:
            break
        left = MARGIN_PX + width - level_width
        levels.append(Level(left, bottom - level_height, level_width, level_height))
        bottom -= level_height + GAP_PX
    return Tiling(tuple(levels), width + 2 * MARGIN_PX, column + 2 * MARGIN_PX)


def _sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Width and height of every level."""
    sizes = [(width, height)]
    while True:
        width, height = math.floor(RATIO * width), math.floor(RATIO * height)
        if not width or height < SMALLEST_HEIGHT_PX:
            return sizes
        sizes.append((width, height))


def _column_height(sizes: list[tuple[int, int]]) -> int:
    """Height of the first column, without margins."""
    width, height = sizes[0]
    below = sum(level_height + GAP_PX for _, level_height in sizes) - 2 * GAP_PX - height
    column = previous_width = 0
    for level_width, level_height in sizes:
        if level_width <= width - previous_width - GAP_PX and 2 * (column - height) >= below:
            break
        column += level_height + GAP_PX
        previous_width = level_width
    return column - GAP_PX


def shrinking_onnx() -> bytes:
    """Return the step to a smaller level as an ONNX file.

    In: float32 (1, 3, height, width), and int64 (4,), the shape wanted; out: float32 of that shape.
    """
    graph = OnnxGraph("shrinking")
    level = graph.input(LEVEL, np.float32, [1, 3, "height", "width"])
    sizes = graph.input(SIZES, np.int64, [4])
    smaller = graph.node(
        "Resize", level, "", "", sizes, mode="linear", coordinate_transformation_mode="align_corners"
    )
    graph.output(SMALLER, smaller, np.float32, [1, 3, "rows", "columns"])
    return graph.serialized()
