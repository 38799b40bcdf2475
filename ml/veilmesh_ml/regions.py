"""Which pixels of a picture belong to a face, and which of those to its key parts.

Both answers are masks over a window: a part of the picture just large enough, so that a small face in a
large photo costs little. A face cut by the picture's border has the part of its region that lies inside.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from veilmesh_ml.errors import RegionError
from veilmesh_ml.face import Box, Face, Landmarks
from veilmesh_ml.image import RgbImage

Mask = NDArray[np.bool_]  # (height, width) of its window

JAW = slice(0, 17)
BROWS = (slice(17, 22), slice(22, 27))
NOSE = slice(27, 36)
EYES = (slice(36, 42), slice(42, 48))
MOUTH = slice(48, 60)
# A brow's five landmarks are a line along it; this is its thickness over the distance of the eyes.
BROW_THICKNESS = 0.12
# Hairline above the brows, in units of brow to nose base: with it the outline covers the forehead, where
# the person's own pixels otherwise give the person away.
FOREHEAD_HEIGHT = 0.95
SURROUNDINGS = 0.6  # of the box, on every side: the encoder's chip lies inside it
WHOLE_FACE_GROWTH = 0.15  # how far the key region may grow past the outline, in the outline's widths


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Some pixels of a picture: `mask` over `window`, which lies wholly inside the picture."""

    window: Box
    mask: Mask = field(repr=False)

    @property
    def pixels(self) -> int:
        return int(np.count_nonzero(self.mask))

    @property
    def rows_and_columns(self) -> tuple[slice, slice]:
        return slice(self.window.top, self.window.bottom), slice(self.window.left, self.window.right)


def face_outline(landmarks: Landmarks) -> NDArray[np.int64]:
    """Return the convex polygon of jaw and forehead, int64 (m, 2)."""
    brow_points = landmarks[17:27]
    up = (brow_points.mean(axis=0) - landmarks[31:36].mean(axis=0)) * FOREHEAD_HEIGHT
    forehead = np.rint(brow_points + up).astype(np.int64)
    hull = cv2.convexHull(np.concatenate([landmarks[JAW], brow_points, forehead]).astype(np.int32))
    return np.asarray(hull[:, 0, :], dtype=np.int64)


def face_region(shape: tuple[int, ...], face: Face, grow: float = 0.0) -> Region:
    """Return the whole face from chin to hairline.

    Args:
        shape: of the picture, (height, width, ...).
        face: whose.
        grow: widen it on every side by this share of the outline's width.

    Raises:
        RegionError: no pixel of it lies inside the picture.
    """
    outline = face_outline(face.landmarks)
    margin = round(grow * float(np.ptp(outline[:, 0])))
    window = _window(outline, margin, shape)
    mask = _filled(window, [outline])
    if margin:
        mask = _widened(_filled(window.padded(margin), [outline]), margin)
    return _checked(Region(window, mask.astype(np.bool_)))


def key_region(shape: tuple[int, ...], face: Face, n: int) -> Region:
    """Return the n pixels of the face that lie nearest to its eyes, brows, nose and mouth.

    Those parts are always in it wholly, so on a large face it has more than n pixels; on a small one it
    grows over the face evenly around the parts, and ends where the whole face is in it: then it has
    fewer.

    Raises:
        RegionError: no pixel of it lies inside the picture.
    """
    whole = face_region(shape, face, WHOLE_FACE_GROWTH)
    parts = _filled(whole.window, _part_outlines(face.landmarks), _brow_thickness(face)).astype(np.bool_)
    if not parts.any():
        return whole
    distance = cv2.distanceTransform((~parts).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    candidates = np.flatnonzero(whole.mask & ~parts)
    missing = max(0, n - int(np.count_nonzero(parts)))
    nearest = candidates[np.argsort(distance.ravel()[candidates], kind="stable")[:missing]]
    mask = parts.ravel().copy()
    mask[nearest] = True
    return _checked(Region(whole.window, mask.reshape(parts.shape)))


def surroundings(image: RgbImage, face: Face, max_face_px: int | None = None) -> tuple[RgbImage, Face]:
    """Cut out a face with what is around it, and scale it down where the face is wider than `max_face_px`.

    Returns:
        The window and the face in its coordinates.

    Raises:
        RegionError: nothing of it lies inside the picture.
    """
    window = face.box.grown(SURROUNDINGS).within(image.shape[0], image.shape[1])
    part = np.ascontiguousarray(image[window.top : window.bottom, window.left : window.right])
    inside = face.moved(-window.left, -window.top)
    if not part.size:
        raise _outside()
    if max_face_px is None or face.box.width <= max_face_px:
        return part, inside
    scale = max_face_px / face.box.width
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return small, inside.scaled(scale)


def _part_outlines(landmarks: Landmarks) -> list[NDArray[np.int64]]:
    hulls = [cv2.convexHull(landmarks[part].astype(np.int32)) for part in (*BROWS, *EYES, NOSE, MOUTH)]
    return [np.asarray(hull[:, 0, :], dtype=np.int64) for hull in hulls]


def _brow_thickness(face: Face) -> int:
    return max(1, round(BROW_THICKNESS * face.eye_distance_px))


def _filled(window: Box, outlines: list[NDArray[np.int64]], line_px: int = 0) -> NDArray[np.uint8]:
    """Polygons as 0 and 1 over the window, their edges drawn `line_px` thick."""
    mask = np.zeros((window.height, window.width), dtype=np.uint8)
    shifted = [(outline - (window.left, window.top)).astype(np.int32) for outline in outlines]
    for polygon in shifted:  # one by one: together, what two polygons share would be left out
        cv2.fillPoly(mask, [polygon], 1)
    if line_px:
        cv2.polylines(mask, shifted, isClosed=True, color=1, thickness=line_px)
    return mask


def _widened(mask: NDArray[np.uint8], margin: int) -> NDArray[np.uint8]:
    """Return a convex shape dilated by a disc of this radius, without the mask's outer `margin` pixels.

    The very pixels that `cv2.dilate` gives, which takes ten times as long and more: of a convex shape every
    row is one run of pixels, and so is every row of what it is dilated to.
    """
    side = 2 * margin + 1
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).sum(axis=1, dtype=np.int64) // 2
    width = mask.shape[1]
    filled = mask.any(axis=1)
    first = np.where(filled, mask.argmax(axis=1), 2 * width + side)  # [row]; of an empty one, beyond all
    last = np.where(filled, width - 1 - mask[:, ::-1].argmax(axis=1), -width - side)
    low = (sliding_window_view(first, side) - reach).min(axis=1)[:, np.newaxis]
    high = (sliding_window_view(last, side) + reach).max(axis=1)[:, np.newaxis]
    columns = np.arange(margin, width - margin)
    return np.asarray((columns >= low) & (columns <= high), dtype=np.uint8)


def _window(outline: NDArray[np.int64], margin: int, shape: tuple[int, ...]) -> Box:
    left, top = (int(edge) - margin for edge in outline.min(axis=0))
    right, bottom = (int(edge) + margin + 1 for edge in outline.max(axis=0))
    window = Box(left, top, right, bottom).within(shape[0], shape[1])
    if not (window.width and window.height):
        raise _outside()
    return window


def _checked(region: Region) -> Region:
    if not region.mask.any():
        raise _outside()
    return region


def _outside() -> RegionError:
    return RegionError(
        "the face lies outside the picture", hint="detect the faces again in this very picture"
    )
