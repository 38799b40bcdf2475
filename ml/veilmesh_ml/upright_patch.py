"""A face at one size and upright, so that its pixels can be measured the same way in every picture."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.regions import Mask, surroundings

PATCH_PX = 160
EYE_DISTANCE_PX = 52.0  # as in dlib's chip
EYES_MIDDLE = (80.0, 64.0)  # x, y


@dataclass(frozen=True, slots=True, eq=False)
class UprightPatch:
    """A face at that size.

    Attributes:
        pixels: uint8 (160, 160, 3) RGB, black outside the picture.
        landmarks: float64 (68, 2), x and y in the patch.
        inside: which pixels lie inside the picture.
    """

    pixels: RgbImage = field(repr=False)
    landmarks: NDArray[np.float64] = field(repr=False)
    inside: Mask = field(repr=False)


def upright_patch(image: RgbImage, face: Face) -> UprightPatch:
    """Cut the face out.

    Raises:
        RegionError: nothing of it lies inside the picture.
    """
    window, moved = surroundings(image, face)
    left, right = moved.landmarks[36:42].mean(axis=0), moved.landmarks[42:48].mean(axis=0)
    scale = EYE_DISTANCE_PX / max(1.0, face.eye_distance_px)
    # Shrinking by averaging first: a warp alone would skip pixels of a large face.
    shrunk = min(1.0, scale)
    size = max(1, round(window.shape[1] * shrunk)), max(1, round(window.shape[0] * shrunk))
    small = cv2.resize(window, size, interpolation=cv2.INTER_AREA)
    turn = _upright_map(left * shrunk, right * shrunk)
    side = (PATCH_PX, PATCH_PX)
    everywhere = np.full(small.shape[:2], 255, dtype=np.uint8)
    return UprightPatch(
        pixels=np.asarray(cv2.warpAffine(small, turn, side), dtype=np.uint8),
        landmarks=moved.landmarks * shrunk @ turn[:, :2].T + turn[:, 2],
        inside=np.asarray(cv2.warpAffine(everywhere, turn, side) > 127, dtype=np.bool_),
    )


def _upright_map(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Affine map (2, 3) that brings the eyes' centres to their places."""
    across = right - left
    length = max(1.0, float(np.hypot(*across)))
    cosine, sine = across / length * (EYE_DISTANCE_PX / length)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    offset = np.array(EYES_MIDDLE) - turn @ ((left + right) / 2)
    return np.column_stack([turn, offset])
