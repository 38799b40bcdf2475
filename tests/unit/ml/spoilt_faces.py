"""Pictures of a face with something wrong, drawn on a good one."""

import cv2
import numpy as np
from veilmesh_ml import Face, RgbImage


def with_sunglasses(image: RgbImage, face: Face, opacity: float = 1.0) -> RgbImage:
    """Dark lenses over both eyes, joined over the nose."""
    drawn = image.copy()
    left, right = (face.landmarks[eye].mean(axis=0) for eye in (slice(36, 42), slice(42, 48)))
    size = (round(0.36 * face.eye_distance_px), round(0.26 * face.eye_distance_px))
    for centre in (left, right):
        cv2.ellipse(drawn, _pixel(centre), size, 0, 0, 360, (18, 16, 15), -1, cv2.LINE_AA)
    cv2.line(drawn, _pixel(left), _pixel(right), (18, 16, 15), 3)
    return np.asarray(cv2.addWeighted(drawn, opacity, image, 1 - opacity, 0), dtype=np.uint8)


def with_mask(image: RgbImage, face: Face, colour: tuple[int, int, int]) -> RgbImage:
    """A cloth from the bridge of the nose to under the chin, with folds."""
    corners = np.concatenate([face.landmarks[1:16], face.landmarks[29:30]])
    cloth = np.zeros(image.shape[:2], dtype=np.uint8)
    cv2.fillConvexPoly(cloth, cv2.convexHull(corners.astype(np.int32)), 1)
    rows = np.arange(image.shape[0])[:, np.newaxis]
    folds = 10 * np.sin(rows * 2 * np.pi / (0.5 * face.eye_distance_px))
    dyed = np.clip(np.array(colour) + folds[:, :, np.newaxis], 0, 255).astype(np.uint8)
    return np.where(cloth[:, :, np.newaxis] == 1, dyed, image)


def as_cartoon(image: RgbImage) -> RgbImage:
    """Flat colours with black outlines."""
    flat = cv2.bilateralFilter(cv2.bilateralFilter(image, 9, 60, 9), 9, 60, 9)
    flat = (flat // 32) * 32 + 16
    grey = cv2.medianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 3)
    outlines = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, 6)
    flat[outlines == 0] = 0
    return np.asarray(flat, dtype=np.uint8)


def as_pencil_drawing(image: RgbImage) -> RgbImage:
    """Grey strokes on white paper: the picture over its own blur."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    strokes = cv2.divide(grey, np.maximum(1, cv2.GaussianBlur(grey, (0, 0), 5)), scale=255)
    return np.repeat(np.asarray(strokes, dtype=np.uint8)[:, :, np.newaxis], 3, axis=2)


def _pixel(point: "np.typing.NDArray[np.float64]") -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
