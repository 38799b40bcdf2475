"""What a surrogate has to have in common with the person, so that it suits the photo: its attributes.

Everything is read off the face in the bank's frame (shape-normalised, so it says nothing of geometry) and
off the landmarks:

- measured: skin colour, light from the side and from above, turn of the head, mouth, darkness about the
  chin (beard), edges about the bridge of the nose (glasses);
- look: the first principal components of the coarse, tone-free texture;
- apparent: gender, age and group, linear scores fitted to photos with labels. They say how a face looks to
  that model, not who somebody is, and serve to hand nobody another gender or ancestry.

Beside them stands what a surrogate must *not* have in common: its likeness, a linear guess at what a face
encoder makes of the face, less all that tells of gender, age or group.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.image import RgbImage
from veilmesh_ml.surrogate.frame import Frame
from veilmesh_ml.surrogate.geometry import Plane
from veilmesh_ml.surrogate.points import ALIGNMENT_WEIGHTS, Points, fit_similarity
from veilmesh_ml.surrogate.samples import middle

MEASURED: Final = (
    "lightness",
    "redness",
    "yellowness",
    "light from the side",
    "light from above",
    "yaw",
    "pitch",
    "mouth open",
    "mouth wide",
    "beard",
    "glasses",
)
GROUPS: Final = ("White", "Black", "Asian", "Indian", "other")  # UTKFace's
APPARENT: Final = ("woman", "age", *GROUPS)
LOOK_COMPONENTS: Final = 16
ATTRIBUTES: Final = (*MEASURED, *(f"look {i}" for i in range(LOOK_COMPONENTS)), *APPARENT)

LIKENESS_COMPONENTS: Final = 64
SHAPE_SCALE: Final = 0.015  # of landmarks' offsets, pixels of the frame, beside the appearance features

_LOOK_PX: Final = 40
_GRADIENT_PX, _CELLS, _DIRECTIONS = 96, 12, 8  # of the gradient histograms
_COLOUR_PX: Final = 20


def require_attributes(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a file whose array `attribute_names` are not `ATTRIBUTES`.

    Raises:
        ValueError: they are others.
    """
    if tuple(arrays["attribute_names"].tolist()) != ATTRIBUTES:
        raise ValueError("it knows other attributes")


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is read off a face.

    Attributes:
        attributes: in the order of `ATTRIBUTES`, float64.
        likeness: of length 1, (LIKENESS_COMPONENTS,); the product of two says how alike two faces are.
    """

    attributes: NDArray[np.float64]
    likeness: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AttributeModel:
    """The linear part: look, apparent attributes and likeness.

    Attributes:
        look_mean, look: (d,), (d, LOOK_COMPONENTS) over `coarse_texture`.
        apparent_bias, apparent: (len(APPARENT),), (f, len(APPARENT)) over `appearance_features`.
        likeness_bias, likeness: (LIKENESS_COMPONENTS,), (f + 136, LIKENESS_COMPONENTS) over the same and the
            landmarks' offsets.
    """

    look_mean: NDArray[np.float32]
    look: NDArray[np.float32]
    apparent_bias: NDArray[np.float32]
    apparent: NDArray[np.float32]
    likeness_bias: NDArray[np.float32]
    likeness: NDArray[np.float32]

    def read(
        self,
        texture: RgbImage,
        landmarks: NDArray[np.floating] | NDArray[np.integer],
        upright: Points,
        frame: Frame,
    ) -> Reading:
        """Read a face.

        Args:
            texture: the face in the frame, uint8 (160, 160, 3).
            landmarks: in the photo, (68, 2).
            upright: the same aligned to the frame.
            frame: of the texture.
        """
        look = (coarse_texture(texture, frame) - self.look_mean) @ self.look
        features = appearance_features(texture, frame)
        apparent = features @ self.apparent + self.apparent_bias
        attributes = np.concatenate([measured(texture, landmarks, frame), look, apparent])
        seen = np.concatenate([features, shape_features(upright, frame)])
        likeness = (seen @ self.likeness + self.likeness_bias).astype(np.float64)
        return Reading(attributes.astype(np.float64), likeness / (np.linalg.norm(likeness) + 1e-9))


def shape_features(upright: Points, frame: Frame) -> NDArray[np.float32]:
    """Return how landmarks aligned to the frame stray from its mean shape, flat (136,)."""
    return ((upright - frame.mean_shape[:68]).ravel() * SHAPE_SCALE).astype(np.float32)


def measured(
    texture: RgbImage, landmarks: NDArray[np.floating] | NDArray[np.integer], frame: Frame
) -> NDArray[np.float64]:
    """Return the attributes of `MEASURED`."""
    lab = cv2.cvtColor(texture, cv2.COLOR_RGB2LAB).astype(np.float32)
    light, places = lab[..., 0], frame.places
    flat = light.ravel()
    tone = middle(lab.reshape(-1, 3)[places.skin])
    left, right, cheeks, chin, forehead = (
        float(middle(flat[part]))
        for part in (places.left, places.right, places.cheeks, places.chin, places.forehead)
    )
    yaw, pitch, opening, width = _pose_and_mouth(np.asarray(landmarks, dtype=np.float64), frame)
    return np.array(
        [
            *tone,
            left - right,
            forehead - cheeks,
            *(yaw, pitch, opening, width),
            cheeks - chin,
            _glasses(light, frame),
        ]
    )


def coarse_texture(texture: RgbImage, frame: Frame) -> NDArray[np.float32]:
    """Return the face's 40 x 40 LAB pixels without their median tone, flat."""
    small = cv2.resize(texture, (_LOOK_PX, _LOOK_PX), interpolation=cv2.INTER_AREA)
    pixels = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)[_inside(frame, _LOOK_PX)].astype(np.float32)
    pixels -= middle(pixels)
    pixels[:, 1:] *= 1.5
    return pixels.ravel()


def appearance_features(texture: RgbImage, frame: Frame) -> NDArray[np.float32]:
    """Return histograms of gradients, coarse colour and tone: what the apparent attributes are linear in."""
    small = cv2.resize(texture, (_GRADIENT_PX, _GRADIENT_PX), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    coarse = cv2.resize(lab, (_COLOUR_PX, _COLOUR_PX), interpolation=cv2.INTER_AREA)
    pixels = coarse[_inside(frame, _COLOUR_PX)].astype(np.float32)
    tone = middle(pixels)
    return np.concatenate(
        [_gradients(np.asarray(lab[..., 0], dtype=np.uint8)), ((pixels - tone) / 20).ravel(), tone / 40]
    )


def _gradients(light: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Histograms of gradient directions in 12 x 12 cells, normalised by neighbourhood (after HOG)."""
    across = cv2.Sobel(light, cv2.CV_32F, 1, 0, ksize=1)
    down = cv2.Sobel(light, cv2.CV_32F, 0, 1, ksize=1)
    strength, angle = cv2.cartToPolar(across, down)
    place = angle * (_DIRECTIONS / np.pi)
    lower = np.floor(place)
    upper_share = place - lower
    first = lower.astype(np.intp) % _DIRECTIONS
    side = _GRADIENT_PX // _CELLS
    cell = (np.arange(_GRADIENT_PX) // side)[:, np.newaxis] * _CELLS + np.arange(_GRADIENT_PX) // side
    bins = _CELLS * _CELLS * _DIRECTIONS
    low = np.bincount((cell * _DIRECTIONS + first).ravel(), (strength * (1 - upper_share)).ravel(), bins)
    following = cell * _DIRECTIONS + (first + 1) % _DIRECTIONS
    high = np.bincount(following.ravel(), (strength * upper_share).ravel(), bins)
    histogram = ((low + high) / side**2).reshape(_CELLS, _CELLS, _DIRECTIONS).astype(np.float32)
    energy = cv2.blur((histogram**2).sum(axis=2), (3, 3))
    return np.asarray(histogram / np.sqrt(energy + 4)[..., np.newaxis]).ravel()


def _inside(frame: Frame, side_px: int) -> NDArray[np.bool_]:
    small = cv2.resize(frame.face.astype(np.float32), (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(small > 0.9)


def _pose_and_mouth(points: NDArray[np.float64], frame: Frame) -> tuple[float, float, float, float]:
    """Yaw, pitch, opening and width of the mouth; lengths in distances of the outer corners of the eyes."""
    upright = fit_similarity(points, frame.mean_shape[:68], ALIGNMENT_WEIGHTS).apply(points)
    unit = max(1.0, float(np.hypot(*(upright[45] - upright[36]))))
    yaw = (upright[30, 0] - (upright[0, 0] + upright[16, 0]) / 2) / unit
    pitch = (upright[30, 1] - upright[27, 1]) / max(1.0, upright[8, 1] - upright[27, 1])
    opening = np.hypot(*(upright[62] - upright[66])) / unit
    width = np.hypot(*(upright[54] - upright[48])) / unit
    return float(yaw), float(pitch), float(opening), float(width)


def _glasses(light: Plane, frame: Frame) -> float:
    """Edges across the bridge of the nose and below the eyes, where frames run and skin is smooth."""
    edges = np.abs(cv2.Sobel(light, cv2.CV_32F, 0, 1, ksize=3))
    inner_left, inner_right = frame.mean_shape[39], frame.mean_shape[42]
    top, bottom = round(frame.mean_shape[27, 1]) - 8, round(inner_left[1])
    bridge = edges[top:bottom, round(inner_left[0]) + 4 : round(inner_right[0]) - 3].max(axis=0).mean()
    row = round(frame.mean_shape[36:48, 1].max())
    outer_left, outer_right = frame.mean_shape[36], frame.mean_shape[45]
    below = edges[row + 6 : row + 24]
    frames = np.concatenate(
        [
            below[:, round(outer_left[0]) : round(inner_left[0])].max(axis=0),
            below[:, round(inner_right[0]) : round(outer_right[0])].max(axis=0),
        ]
    ).mean()
    return float((bridge + frames) / 8)
