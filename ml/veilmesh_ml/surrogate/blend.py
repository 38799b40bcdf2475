"""Makes a surrogate look as if it had been photographed there: tone, light, sharpness and grain of the photo.

Only coarse quantities of the face go over to the surrogate: medians, and fields smoothed over a fifth of the
face. At the rim, where it meets the person's own skin, the surrogate is corrected towards what it meets, and
the correction fades inwards (a membrane, in the sense of Perez et al. 2003); no pixel of the photo is used.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.keystream import derive, words
from veilmesh_ml.surrogate.geometry import Plane
from veilmesh_ml.surrogate.occlusion import Lab
from veilmesh_ml.surrogate.samples import middle, sampled

_GRAIN_PX = 128  # side of the grain that is drawn; larger faces repeat it


def smoothstep(value: Plane) -> Plane:
    clipped = np.clip(value, 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class ToneMatch:
    """value -> (value - donor) * gain + photo, per channel of LAB."""

    donor: NDArray[np.float32]
    gain: NDArray[np.float32]
    photo: NDArray[np.float32]

    def apply(self, lab: Lab) -> Lab:
        affine = np.column_stack([np.diag(self.gain), self.photo - self.donor * self.gain])
        return np.asarray(cv2.transform(lab, affine.astype(np.float64)), dtype=np.float32)


def match_tone(photo: Lab, donor: Lab, skin: NDArray[np.bool_]) -> ToneMatch:
    """Give the donor's skin the photo's median and spread."""
    chosen = sampled(skin)
    mine, theirs = photo.reshape(-1, 3)[chosen], donor.reshape(-1, 3)[chosen]
    spread = mine.std(axis=0) / np.maximum(theirs.std(axis=0), 1)
    low, high = np.array([0.75, 0.3, 0.3]), np.array([1.4, 1.2, 1.2])
    gain = np.clip(spread, low, high).astype(np.float32)
    return ToneMatch(middle(theirs), gain, middle(mine))


def smooth_field(difference: Lab, weight: Plane, sigma_px: float) -> Lab:
    """Return the weighted local mean of a difference; towards 0 where nothing has weight near by."""
    both = np.dstack([difference * weight[..., np.newaxis], weight])
    blurred = coarsely_blurred(both, sigma_px)
    return np.asarray(blurred[..., :3] / (blurred[..., 3:] + 0.02), dtype=np.float32)


def coarsely_blurred(values: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Return a wide blur, made of fewer pixels: half a sigma each."""
    height, width = values.shape[:2]
    step = max(1.0, sigma_px / 2)
    coarse = max(1, round(width / step)), max(1, round(height / step))
    small = _smooth(_resized(values, coarse, cv2.INTER_AREA), sigma_px * coarse[0] / width)
    return _resized(small, (width, height), cv2.INTER_LINEAR)


def match_sharpness(photo: Plane, donor: Plane, where: NDArray[np.bool_], scale: float) -> Plane:
    """Blur or sharpen the donor until its finest detail is as strong as the photo's.

    Args:
        photo: its lightness.
        donor: its lightness.
        where: pixels to compare, around the features.
        scale: width of the face over 100 px.
    """
    unit = max(0.6, scale)
    goal, own = _spread(_detail(photo, unit), where), _spread(_detail(donor, unit), where)
    if own <= goal:
        amount = min(float(goal / max(own, 0.1)) - 1, 1.0)
        return np.asarray(donor + 0.8 * amount * _detail(donor, 1.2 * unit), dtype=np.float32)
    blurred = donor
    for sigma in (0.6, 1.0, 1.5, 2.2, 3.2):
        blurred = _smooth(donor, sigma * unit)
        if _spread(_detail(blurred, unit), where) <= 1.15 * goal:
            break
    return blurred


def add_grain(photo: Plane, donor: Plane, skin: NDArray[np.bool_], key: bytes) -> Plane:
    """Add what is missing of the photo's grain."""
    missing = _noise(photo, skin) ** 2 - _noise(donor, skin) ** 2
    if missing <= 0:
        return donor
    octets = words(derive(key, "grain"), _GRAIN_PX * _GRAIN_PX // 2).view(np.uint8)
    drawn = octets.reshape(4, _GRAIN_PX, _GRAIN_PX).sum(axis=0, dtype=np.float32)  # of four: nearly normal
    tile = _smooth(drawn - drawn.mean(), 0.6)
    height, width = donor.shape
    grain = np.tile(tile / tile.std(), (height // _GRAIN_PX + 1, width // _GRAIN_PX + 1))[:height, :width]
    return np.asarray(donor + grain * np.sqrt(missing), dtype=np.float32)


def _noise(light: Plane, skin: NDArray[np.bool_]) -> float:
    return float(1.4826 * middle(np.abs(_detail(light, 1.0).ravel()[sampled(skin)])))


def _spread(values: Plane, where: NDArray[np.bool_]) -> float:
    """Standard deviation."""
    return float(cv2.meanStdDev(values, mask=where.astype(np.uint8))[1][0, 0])


def _resized(values: NDArray[np.float32], size: tuple[int, int], interpolation: int) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(values, size, interpolation=interpolation), dtype=np.float32)


def _detail(light: Plane, sigma_px: float) -> Plane:
    return light - _smooth(light, sigma_px)


def _smooth(values: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), max(0.3, sigma_px)), dtype=np.float32)
