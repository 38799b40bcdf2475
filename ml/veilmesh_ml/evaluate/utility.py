"""What an output is still good for: is a face found, where are its landmarks, what does it show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.face import Box

FOUND_AGAIN_OVERLAP = 0.5  # intersection over union with what the same detector found in the original
_OUTER_EYES = (36, 45)
_MOUTH_CORNERS = (48, 54)
_INNER_LIPS = (62, 66)


@dataclass(frozen=True, slots=True)
class Utility:
    """Of the probes' outputs.

    Attributes:
        found: per detector, of the faces it finds in the originals, those it finds again.
        nme: distance of landmarks found again to the original's, over that of the outer eye corners.
        mouth_width, mouth_opening: correlation with the original's, over the same distance: the first is
            "smile kept".
        gender, group: outputs whose apparent gender or group is that of the original, by a classifier of
            our own; None where there was nothing to train it on.
        ssim, psnr_db: over the face's box grown by a quarter.
        changed: share of the picture's pixels.
        cpu_ms: median for a face, after detection, one core.
    """

    found: Mapping[str, Rate]
    nme: Estimate
    mouth_width: Estimate
    mouth_opening: Estimate
    gender: Rate | None
    group: Rate | None
    ssim: Estimate
    psnr_db: Estimate
    changed: Estimate
    cpu_ms: float

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        return {
            "found": {name: rate.document() for name, rate in self.found.items()},
            "nme": self.nme.document(),
            "mouth_width_r": self.mouth_width.document(),
            "mouth_opening_r": self.mouth_opening.document(),
            "gender_kept": None if self.gender is None else self.gender.document(),
            "group_kept": None if self.group is None else self.group.document(),
            "ssim": self.ssim.document(),
            "psnr_db": self.psnr_db.document(),
            "changed": self.changed.document(),
            "cpu_ms": round(self.cpu_ms, 2),
        }


def utility(original: Arrays, output: Arrays, found: Mapping[str, Rate], kept: Mapping[str, Rate]) -> Utility:
    """Compare what was measured on the originals with what was on the outputs.

    Args:
        original: `measure_probes` of the originals themselves.
        output: the same of the outputs, in the same order.
        found: per detector.
        kept: "gender" and "group", where they were classified.
    """
    before, after = _landmarks_of_both(original, output)
    return Utility(
        found=found,
        nme=landmark_error(original, output),
        mouth_width=Estimate.correlation(_extent(before, _MOUTH_CORNERS), _extent(after, _MOUTH_CORNERS)),
        mouth_opening=Estimate.correlation(_extent(before, _INNER_LIPS), _extent(after, _INNER_LIPS)),
        gender=kept.get("gender"),
        group=kept.get("group"),
        ssim=Estimate.mean(output["ssim"]),
        psnr_db=Estimate.mean(output["psnr"]),
        changed=Estimate.mean(output["changed"]),
        cpu_ms=float(np.median(output["cpu_ms"])),
    )


def found_again(before: NDArray[np.int64], after: NDArray[np.int64]) -> Rate:
    """Count, of boxes (n, 4) found in originals, those found again; all zeros is no box."""
    pairs = [
        (Box(*map(int, one)), Box(*map(int, other)))
        for one, other in zip(before, after, strict=True)
        if one.any()
    ]
    return Rate(sum(one.overlap(other) >= FOUND_AGAIN_OVERLAP for one, other in pairs), len(pairs))


def landmark_error(original: Arrays, output: Arrays) -> Estimate:
    """Average the error over faces found in both; each has box (n, 4), zeros for none, and landmarks."""
    return Estimate.mean(normalised_mean_error(*_landmarks_of_both(original, output)))


def normalised_mean_error(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean distance of 68 landmarks, (n, 68, 2), over that of the outer eye corners, (n,)."""
    moved = np.linalg.norm((after - before).astype(np.float64), axis=2).mean(axis=1)
    return np.asarray(moved / _eye_distance(before))


def _landmarks_of_both(original: Arrays, output: Arrays) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    again = output["box"].any(axis=1) & original["box"].any(axis=1)
    return original["landmarks"][again], output["landmarks"][again]


def _extent(landmarks: NDArray[np.int64], ends: tuple[int, int]) -> NDArray[np.float64]:
    one, other = ends
    distance = np.linalg.norm((landmarks[:, one] - landmarks[:, other]).astype(np.float64), axis=1)
    return np.asarray(distance / _eye_distance(landmarks))


def _eye_distance(landmarks: NDArray[np.int64]) -> NDArray[np.float64]:
    right, left = _OUTER_EYES
    distance = np.linalg.norm((landmarks[:, right] - landmarks[:, left]).astype(np.float64), axis=1)
    return np.asarray(np.maximum(1.0, distance))
