"""What can be measured of a face's pixels and landmarks, as plain numbers; `quality` judges them.

Everything but the size is measured on the upright patch, so that a large photo and a small one, and a tilted
head, give the same numbers.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.pose import Pose, head_pose
from veilmesh_ml.regions import Mask, face_outline
from veilmesh_ml.upright_patch import PATCH_PX, UprightPatch, upright_patch

REBLUR_PX = 9
DARK = 30  # grey level below which a pixel shows nothing
SMOOTH_STEP = 1  # grey levels between neighbours that no camera's noise stays below over a whole face
FAR_FROM_SKIN = 25.0  # CIELAB difference; cheeks and chin of one face seldom differ by more, beards do
# Half widths and heights in the patch: around an eye, on the cheek, under the eye, on the bridge of the nose.
_EYE, _CHEEK, _UNDER_EYE, _BRIDGE = (13, 7), (6, 6), (9, 3), (4, 6)
_UNDER_EYE_DOWN = 15

Lab = NDArray[np.float32]  # (height, width, 3)
Grey = NDArray[np.float64]  # (height, width), 0 to 255


@dataclass(frozen=True, slots=True)
class FaceMeasures:
    """Numbers of one face.

    Attributes:
        eye_distance_px: between the eyes' centres, in the picture.
        sharpness: 0 (blurred already) to 1; see `_sharpness`.
        pose: of the head, degrees.
        brightness: mean grey level, 0 to 255.
        contrast: standard deviation of the grey levels.
        balance: 1 where the halves of the face are equally bright, 0 where one is black.
        dark_share: of the pixels from brows to mouth, those that show nothing.
        eye_light: how bright the eyes are, lids and all, over the cheeks. Sunglasses: below 0.4.
        mouth_detail: gradients on the mouth over those from brows to nose. Masks: below 0.3.
        lower_face_off: share of mouth and chin whose colour is far from the skin's around the nose.
        smooth_share: from brows to chin, pixels that equal their neighbours. Drawings: above 0.2.
        inside: share of the face, from brows to chin, that lies inside the picture.
    """

    eye_distance_px: float
    sharpness: float
    pose: Pose
    brightness: float
    contrast: float
    balance: float
    dark_share: float
    eye_light: float
    mouth_detail: float
    lower_face_off: float
    smooth_share: float
    inside: float


def measure_face(image: RgbImage, face: Face) -> FaceMeasures:
    """Measure one face.

    Raises:
        RegionError: nothing of it lies inside the picture.
    """
    patch = upright_patch(image, face)
    grey_pixels = np.asarray(cv2.cvtColor(patch.pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    grey = grey_pixels.astype(np.float64)
    lab = np.asarray(cv2.cvtColor(patch.pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), dtype=np.float32)
    outline = _filled(face_outline(np.rint(patch.landmarks).astype(np.int64)))
    marked = _filled(patch.landmarks)
    whole, inner = outline & patch.inside, _filled(patch.landmarks[17:]) & patch.inside
    return FaceMeasures(
        eye_distance_px=face.eye_distance_px,
        sharpness=_sharpness(grey, inner),
        pose=head_pose(face.landmarks),
        brightness=_mean(grey[whole]),
        contrast=float(grey[whole].std()) if whole.any() else 0.0,
        balance=_balance(grey, whole, patch.landmarks),
        dark_share=_mean(grey[inner] < DARK),
        eye_light=_eye_light(lab[:, :, 0], patch.landmarks),
        mouth_detail=_mouth_detail(lab[:, :, 0], patch),
        lower_face_off=_lower_face_off(lab, patch),
        smooth_share=_smooth_share(grey_pixels, marked & patch.inside),
        inside=_mean(patch.inside[marked]),
    )


def _sharpness(grey: Grey, mask: Mask) -> float:
    """Share of the differences between neighbours that blurring takes away, 0 (blurred already) to 1.

    Unlike the variance of the Laplacian it depends neither on contrast nor much on the size of the face.

    Source: Crete et al., The blur effect: perception and estimation with a new no-reference perceptual blur
    metric, SPIE 6492 (2007).
    """
    blurred = np.asarray(cv2.blur(grey, (REBLUR_PX, REBLUR_PX)), dtype=np.float64)
    return min(_lost_difference(grey, blurred, mask, axis) for axis in (0, 1))


def _lost_difference(grey: Grey, blurred: Grey, mask: Mask, axis: int) -> float:
    inside = mask[1:, :] if axis == 0 else mask[:, 1:]
    before = np.abs(np.diff(grey, axis=axis))[inside]
    after = np.abs(np.diff(blurred, axis=axis))[inside]
    total = before.sum()
    return float(np.maximum(0, before - after).sum() / total) if total > 0 else 0.0


def _balance(grey: Grey, mask: Mask, landmarks: NDArray[np.float64]) -> float:
    columns = np.arange(grey.shape[1]) < landmarks[27:31, 0].mean()
    left, right = _mean(grey[mask & columns]), _mean(grey[mask & ~columns])
    return min(left, right) / max(left, right, 1.0)


def _eye_light(light: NDArray[np.float32], landmarks: NDArray[np.float64]) -> float:
    """Mean over the eyes of the upper quartile of lightness around an eye, over the cheek's below it."""
    ratios = []
    for eye, jaw, wing in ((slice(36, 42), 2, 31), (slice(42, 48), 14, 35)):
        around = _around(light, landmarks[eye].mean(axis=0), _EYE)
        cheek = _around(light, (landmarks[jaw] + landmarks[wing]) / 2, _CHEEK)
        bright = float(np.quantile(around, 0.75)) if around.size else 0.0
        ratios.append(bright / max(5.0, float(np.median(cheek)) if cheek.size else 0.0))
    return sum(ratios) / 2


def _mouth_detail(light: NDArray[np.float32], patch: UprightPatch) -> float:
    gradient = np.abs(cv2.Sobel(light, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(light, cv2.CV_32F, 0, 1))
    mouth, above = _filled(patch.landmarks[48:60]), _filled(patch.landmarks[17:48])
    return _mean(gradient[mouth & patch.inside]) / max(1e-3, _mean(gradient[above & patch.inside]))


def _lower_face_off(lab: Lab, patch: UprightPatch) -> float:
    landmarks = patch.landmarks
    places = [(landmarks[28], _BRIDGE)]
    places += [
        (landmarks[eye].mean(axis=0) + np.array([0, _UNDER_EYE_DOWN]), _UNDER_EYE)
        for eye in (slice(36, 42), slice(42, 48))
    ]
    skin = np.median(
        np.concatenate([_around(lab, place, size).reshape(-1, 3) for place, size in places]), axis=0
    )
    lower = _filled(np.concatenate([landmarks[3:14], landmarks[31:36]])) & patch.inside
    return _mean(np.linalg.norm(lab[lower] - skin, axis=1) > FAR_FROM_SKIN)


def _smooth_share(grey: NDArray[np.uint8], mask: Mask) -> float:
    neighbours = np.ones((3, 3), dtype=np.uint8)
    step = cv2.subtract(cv2.dilate(grey, neighbours), cv2.erode(grey, neighbours))
    return _mean(np.asarray(step)[mask] <= SMOOTH_STEP)


def _filled(points: NDArray[np.float64] | NDArray[np.int64]) -> Mask:
    """Return the convex hull of points in the patch as a mask."""
    mask = np.zeros((PATCH_PX, PATCH_PX), dtype=np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return mask.astype(np.bool_)


def _around(
    pixels: NDArray[np.float32], centre: NDArray[np.float64], half: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the pixels around a place, cut at the patch's border, empty where it lies outside."""
    x, y = (int(value) for value in np.rint(centre))
    across, down = half
    return pixels[max(0, y - down) : max(0, y + down + 1), max(0, x - across) : max(0, x + across + 1)]


def _mean(values: NDArray[np.floating] | NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else 0.0
