"""The bank's frame: the mean face, its triangles, and which of its pixels are skin, feature or forehead."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.surrogate.geometry import TEXTURE_PX, Plane, Warp, follow, owners, piecewise_affine
from veilmesh_ml.surrogate.points import MIRRORED, OUTLINE, Points, fit_similarity, with_forehead
from veilmesh_ml.surrogate.samples import sampled

MARGIN_PX: Final = 4  # between the mean face and the frame's edge
EYES: Final = (range(36, 42), range(42, 48))
BROWS: Final = (range(17, 22), range(22, 27))


@dataclass(frozen=True)
class Frame:
    """Where the 77 points lie in textures, float64 (77, 2), and the triangles between them, int (m, 3)."""

    mean_shape: Points
    triangles: NDArray[np.int64]

    def warp_from(self, points: Points) -> Warp:
        """Return the warp that brings a photo, whose face has these 77 points, into the frame."""
        return follow(self._owners, self.mean_shape, points, self.triangles)

    def warp_to(self, points: Points, height: int, width: int) -> Warp:
        """Return the warp that brings a texture to these 77 points of a picture."""
        return piecewise_affine(points, self.mean_shape, self.triangles, height, width)

    @cached_property
    def _owners(self) -> NDArray[np.int32]:
        return owners(self.mean_shape, self.triangles, TEXTURE_PX, TEXTURE_PX)

    @cached_property
    def zones(self) -> NDArray[np.uint8]:
        """Skin, features and forehead as 0 and 255, (160, 160, 3), to be warped together."""
        return np.dstack([self.skin, self.features, self.forehead]).astype(np.uint8) * 255

    def polygon(self, points: Sequence[int], grow_px: int = 0) -> NDArray[np.bool_]:
        """Return the inside of a polygon of points, widened by about half of `grow_px`."""
        mask = _filled(cv2.convexHull(np.rint(self.mean_shape[list(points)]).astype(np.int32)))
        grown = cv2.dilate(mask, np.ones((grow_px, grow_px), np.uint8)) if grow_px else mask
        return np.asarray(grown).astype(np.bool_)

    @cached_property
    def face(self) -> NDArray[np.bool_]:
        return _filled(np.rint(self.mean_shape[OUTLINE]).astype(np.int32)).astype(np.bool_)

    @cached_property
    def depth_px(self) -> Plane:
        """Distance of every pixel to the face's outline; 0 outside."""
        return np.asarray(cv2.distanceTransform(self.face.astype(np.uint8), cv2.DIST_L2, 5), dtype=np.float32)

    @cached_property
    def brow_row(self) -> float:
        return float(self.mean_shape[17:27, 1].min())

    @cached_property
    def features(self) -> NDArray[np.bool_]:
        """Eyes, brows and mouth, with some room."""
        parts = [self.polygon(part, 11) for part in (*EYES, *BROWS)]
        return np.asarray(np.any([*parts, self.polygon(range(48, 60), 7)], axis=0))

    @cached_property
    def skin(self) -> NDArray[np.bool_]:
        """Cheeks, nose and chin: skin on everybody, but for beards and what is held before a face."""
        below_eyes = np.arange(TEXTURE_PX)[:, np.newaxis] > self.mean_shape[36:48, 1].max()
        return np.asarray((self.depth_px > 4.5) & ~self.features & below_eyes)

    @cached_property
    def forehead(self) -> NDArray[np.bool_]:
        return self.face & (np.arange(TEXTURE_PX)[:, np.newaxis] < self.brow_row - 2)

    @cached_property
    def places(self) -> "Places":
        columns, rows = np.arange(TEXTURE_PX), np.arange(TEXTURE_PX)[:, np.newaxis]
        return Places(
            skin=sampled(self.skin),
            left=sampled(self.skin & (columns < TEXTURE_PX / 2 - 12)),
            right=sampled(self.skin & (columns > TEXTURE_PX / 2 + 12)),
            cheeks=sampled(self.skin & (rows < self.mean_shape[48:68, 1].min())),
            chin=sampled(self.skin & (rows > self.mean_shape[57, 1])),
            forehead=sampled(self.forehead & (self.depth_px > 20)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Pixels of parts of the skin, enough for a median, as indices into the flattened frame."""

    skin: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    cheeks: NDArray[np.intp]
    chin: NDArray[np.intp]
    forehead: NDArray[np.intp]


def mean_frame(shapes: NDArray[np.integer] | NDArray[np.floating]) -> Frame:
    """Return the frame of these faces and their mirror images (so it is symmetric).

    Args:
        shapes: landmarks, (n, 68, 2), n >= 1.
    """
    both = np.concatenate([shapes, shapes[:, MIRRORED] * np.array([-1, 1])]).astype(np.float64)
    mean = both[0] - both[0].mean(axis=0)
    for _ in range(4):
        mean = np.mean([fit_similarity(shape, mean).apply(shape) for shape in both], axis=0)
        mean -= mean.mean(axis=0)
        mean /= np.sqrt((mean**2).sum() / len(mean))
    mean = (mean + mean[MIRRORED] * np.array([-1, 1])) / 2
    points = with_forehead(mean)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (TEXTURE_PX - 1 - 2 * MARGIN_PX) / (high - low).max()
    placed = (points - low) * scale + (TEXTURE_PX - 1 - (high - low) * scale) / 2
    return Frame(placed, _triangles(placed))


def _filled(outline: NDArray[Any]) -> NDArray[np.uint8]:
    """Return 1 inside of an outline in the frame, int32 (n, 2), and 0 elsewhere."""
    mask = np.zeros((TEXTURE_PX, TEXTURE_PX), dtype=np.uint8)
    cv2.fillPoly(mask, [outline], 1)
    return mask


def _triangles(points: Points) -> NDArray[np.int64]:
    """Delaunay's triangulation of the face's inside."""
    outline = points[OUTLINE].astype(np.float32)
    plane = cv2.Subdiv2D((0, 0, TEXTURE_PX, TEXTURE_PX))
    plane.insert([(float(x), float(y)) for x, y in points])
    corners = np.asarray(plane.getTriangleList(), dtype=np.float64).reshape(-1, 3, 2)
    found = []
    for triangle in corners:
        distance = np.hypot(*(points[:, np.newaxis] - triangle).T).T  # (77, 3)
        middle = triangle.mean(axis=0)
        inside = cv2.pointPolygonTest(outline, (float(middle[0]), float(middle[1])), measureDist=True) > -0.5
        if distance.min(axis=0).max() < 0.01 and inside:
            found.append(distance.argmin(axis=0))
    return np.array(found, dtype=np.int64)
