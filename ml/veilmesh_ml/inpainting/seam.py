"""Lays what was painted on the canvas into the photo, at the photo's own resolution.

1. it is enlarged or reduced to the photo, and gets the grain that the photo has around it;
2. it covers the whole mask and fades outwards from there: a person's own rim gives them away.

Nothing here reads a pixel inside the mask. Outside of the fading every pixel stays as it was.
"""

from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.image import RgbImage
from veilmesh_ml.inpainting.order import Order
from veilmesh_ml.surrogate.blend import add_grain, smoothstep
from veilmesh_ml.surrogate.geometry import Plane
from veilmesh_ml.surrogate.occlusion import Lab, learn_skin
from veilmesh_ml.surrogate.points import Similarity

# In pixels of the canvas, where a face is about 70 wide:
FEATHER_PX: Final = 3.0
_RIM_PX: Final = 8.0  # around the mask: where grain is read
_SKIN_PX: Final = 12.0  # so deep inside the mask there is skin, by the middle of the face
_LIKE_SKIN: Final = 2.5  # standard deviations of the painted skin's colour
_LEAST_BARE_PX: Final = 30
_FLATTEST: Final = (
    1 / 3
)  # of what is bare: grain shows there; elsewhere it may be a beard or a striped collar
_FLAT_PX: Final = 11  # of the photo: how far one looks around for that
_GREY: Final = 2  # channels that differ by no more are no colour


def lay_in(window: RgbImage, painted: NDArray[np.uint8], ordered: Order, key: bytes) -> RgbImage:
    """Return the window with the painted face.

    Args:
        window: uint8 (height, width, 3), the one that the order was made from, or that one with other faces
            painted already.
        painted: the canvas, uint8 (128, 128, 3).
        ordered: what was asked for.
        key: 32 bytes, of this face alone.

    Raises:
        ValueError: the face lies outside the window.
    """
    depth = _depth(ordered.mask)
    cover = smoothstep(np.asarray(1 + np.minimum(depth, 0) / FEATHER_PX, dtype=np.float32))
    place = _Place.of(window, ordered.onto, cover)
    part = window[place.rows_and_columns]
    alpha = place.pull(cover, cv2.INTER_LINEAR)
    laid = place.pull_picture(painted)
    bare = place.pull(_bare(painted, ordered, depth), cv2.INTER_NEAREST) > 0
    if np.count_nonzero(bare) >= _LEAST_BARE_PX:
        laid = _grained(part, laid, bare, alpha, key)
    if _is_grey(ordered, depth):
        laid = laid.mean(axis=2, keepdims=True)
    mixed = part + (laid - part.astype(np.float32)) * alpha[..., np.newaxis]
    result = window.copy()
    result[place.rows_and_columns] = np.rint(mixed).astype(np.uint8)
    return result


def _depth(mask: NDArray[np.uint8]) -> Plane:
    """Distance into the mask, in pixels; outside it minus the distance to it."""
    inside = (mask > 0).astype(np.uint8)
    into = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    return np.asarray(into - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5), dtype=np.float32)


def _is_grey(ordered: Order, depth: Plane) -> bool:
    """Whether the photo has no colours around the mask."""
    outside = ordered.surrounding[depth < 0].astype(np.int16)
    return bool(np.ptp(outside, axis=1).max(initial=0) <= _GREY)


def _bare(canvas: NDArray[np.uint8], ordered: Order, depth: Plane) -> Plane:
    """Where around the mask there is skin, as 0 and 1: hair and walls have other detail than grain."""
    skin = learn_skin(_lab(canvas), depth > _SKIN_PX)
    unlike = skin.unlikeness(_lab(ordered.surrounding))
    return ((depth < -1) & (depth > -_RIM_PX) & (unlike < _LIKE_SKIN)).astype(np.float32)


def _grained(
    part: RgbImage, laid: NDArray[np.float32], bare: NDArray[np.bool_], alpha: Plane, key: bytes
) -> NDArray[np.float32]:
    """What is laid in, with the grain that the photo has where it is bare."""
    lab = _lab(np.clip(np.rint(laid), 0, 255).astype(np.uint8))
    light = np.where(alpha < 1, _lab(part)[..., 0], lab[..., 0])  # nothing of what is covered
    lab[..., 0] = add_grain(light, lab[..., 0], bare & _is_flat(light, bare), key)
    limited = np.clip(np.rint(lab), 0, 255).astype(np.uint8)
    return cv2.cvtColor(limited, cv2.COLOR_LAB2RGB).astype(np.float32)


def _is_flat(light: Plane, bare: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the photo has least detail, of what is bare."""
    detail = np.abs(light - cv2.GaussianBlur(light, (0, 0), 1.0))
    around = np.asarray(cv2.blur(detail, (_FLAT_PX, _FLAT_PX)))
    return np.asarray(around <= np.quantile(around[bare], _FLATTEST))


def _lab(picture: NDArray[np.uint8]) -> Lab:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A part of the window, and where on the canvas its pixels are.

    Attributes:
        rows_and_columns: the part.
        matrix: from a pixel of the part to the canvas, (2, 3).
        scale: canvas pixels to one of the window.
    """

    rows_and_columns: tuple[slice, slice]
    matrix: NDArray[np.float64] = field(repr=False)
    scale: float

    @classmethod
    def of(cls, window: RgbImage, onto: Similarity, cover: Plane) -> "_Place":
        """The part where the cover is not 0."""
        rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
        left, right, top, bottom = columns[0] - 1, columns[-1] + 1, rows[0] - 1, rows[-1] + 1
        corners = onto.undo(
            np.array([[left, top], [right, top], [left, bottom], [right, bottom]], dtype=np.float64)
        )
        limit = np.array([window.shape[1], window.shape[0]])
        low = np.clip(np.floor(corners.min(axis=0)), 0, limit).astype(np.int64)
        high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, limit).astype(np.int64)
        if (high <= low).any():
            raise ValueError("the face lies outside the window")
        return cls(
            (slice(low[1], high[1]), slice(low[0], high[0])),
            np.column_stack([onto.matrix, onto.shift + onto.matrix @ low]),
            float(np.sqrt(abs(np.linalg.det(onto.matrix)))),
        )

    def pull(self, plane: Plane, interpolation: int) -> Plane:
        """Return a plane of the canvas as the part sees it; 0 beyond the canvas."""
        return np.asarray(self._warped(plane, interpolation, cv2.BORDER_CONSTANT), dtype=np.float32)

    def pull_picture(self, canvas: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the canvas as the part sees it, float32 (height, width, 3), 0 to 255."""
        picture = canvas.astype(np.float32)
        if self.scale > 1:  # reduced: what is finer than the part's pixels would flicker
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.5 * self.scale), dtype=np.float32)
        pulled = self._warped(picture, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
        return np.clip(pulled, 0, 255)

    def _warped(self, values: NDArray[np.float32], interpolation: int, border: int) -> NDArray[np.float32]:
        rows, columns = self.rows_and_columns
        size = int(columns.stop - columns.start), int(rows.stop - rows.start)
        flags = interpolation | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(values, self.matrix, size, flags=flags, borderMode=border)
        return np.asarray(warped, dtype=np.float32)
