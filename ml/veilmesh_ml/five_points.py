"""Align a face by five points: the similarity transform that most encoders after dlib's were trained with."""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.encoder_description import Fit
from veilmesh_ml.errors import RegionError
from veilmesh_ml.face import Landmarks
from veilmesh_ml.image import RgbImage

Points: TypeAlias = NDArray[np.float64]  # (5, 2): x, y in pixels

MIN_EXTENT_PX = 2.0  # of the five points; less is no face, and has no transform


def five_points(landmarks: Landmarks | NDArray[np.floating]) -> Points:
    """Return eye centres, nose tip and mouth corners of 68 landmarks, each pair left to right: (5, 2)."""
    eyes = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
    return np.array([*eyes, landmarks[30], landmarks[48], landmarks[54]], dtype=np.float64)


def align_by_points(image: RgbImage, points: Points, target: Points, fit: Fit, size_px: int) -> RgbImage:
    """Return the chip in which `points` lie as near to `target` as turning, scaling and moving allows.

    Args:
        image: uint8 (height, width, 3).
        points: in the picture.
        target: where they belong in the chip.
        fit: what "near" means.
        size_px: side of the chip.

    Returns:
        uint8 (size_px, size_px, 3), sampled bilinearly, black outside the picture.

    Raises:
        RegionError: the points lie on one spot.
    """
    if np.ptp(points, axis=0).max() < MIN_EXTENT_PX:
        raise RegionError("the face's landmarks lie on one spot")
    transform = _least_squares(points, target) if fit is Fit.LEAST_SQUARES else _least_median(points, target)
    chip = cv2.warpAffine(image, transform, (size_px, size_px), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, dtype=np.uint8)


def _least_median(points: Points, target: Points) -> NDArray[np.float64]:
    """The least-median-of-squares similarity, (2, 3); OpenCV draws its samples from a fixed seed."""
    transform, _ = cv2.estimateAffinePartial2D(points, target, method=cv2.LMEDS)
    return _least_squares(points, target) if transform is None else np.asarray(transform, dtype=np.float64)


def _least_squares(points: Points, target: Points) -> NDArray[np.float64]:
    """The least-squares similarity, (2, 3), in closed form: complex a, b that minimise |a p + b - t|^2."""
    p, t = points[:, 0] + 1j * points[:, 1], target[:, 0] + 1j * target[:, 1]
    centred = p - p.mean()
    a = np.vdot(centred, t - t.mean()) / np.vdot(centred, centred)
    b = t.mean() - a * p.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
