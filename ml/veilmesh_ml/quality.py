"""How good is a picture of a face: five components, one score, and whether a person may be enrolled from it.

Components, 0 to 100 each, in the words of ISO/IEC 29794-5:

- `size`: inter-eye distance;
- `sharpness`;
- `pose`: head pose yaw, pitch and roll;
- `light`: luminance, illumination uniformity, under- and over-exposure;
- `occlusion`: eyes visible, mouth visible, and how much of the face lies inside the picture.

A component is the product of its parts, so that each part can spoil it and none makes up for another. The
unified score is the components' weighted mean; the weights were fitted, see `docs/faces.md`.

Limits for enrolment come from measurement too. They refuse what ought to be taken again, not what is merely
less good than a studio's.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from veilmesh_ml.face import Face
from veilmesh_ml.face_measures import FaceMeasures, measure_face
from veilmesh_ml.image import RgbImage

MIN_EYE_DISTANCE_PX = 24.0  # below it dlib's chip is more interpolation than picture
MIN_SHARPNESS = 0.33
MAX_YAW_DEGREES = 55.0
MAX_PITCH_DEGREES = 40.0
MIN_BRIGHTNESS, MAX_BRIGHTNESS = 45.0, 215.0  # mean grey level of the face, 0 to 255
MIN_CONTRAST = 10.0  # standard deviation of the same
MIN_EYE_LIGHT = 0.38
MIN_MOUTH_DETAIL = 0.45
# A patterned mask has some detail; then the lower face's colour must give it away, which a beard's does, too.
MIN_MOUTH_DETAIL_OFF_COLOUR = 0.75
OFF_COLOUR = 0.85  # share of the lower face whose colour is not the skin's
MAX_SMOOTH_SHARE = 0.15
MIN_INSIDE = 0.93

# Of the unified score. The fit gave `size` nothing, for sharpness tells what is lost by shrinking; it has the
# least share so that a face smaller than any of LFW's loses by it all the same.
WEIGHTS: Mapping[str, float] = {
    "size": 0.10,
    "sharpness": 0.35,
    "pose": 0.18,
    "light": 0.08,
    "occlusion": 0.29,
}
# Of a face that looks straight ahead, as `head_pose` sees it.
STRAIGHT_PITCH_DEGREES, STRAIGHT_ROLL_DEGREES = 2.0, -1.0


@dataclass(frozen=True, slots=True)
class QualityCheck:
    """One question about a picture.

    Attributes:
        name: "one face", "size", "sharpness", "pose", "brightness", "contrast", "eyes", "mouth", "frame" or
            "photo".
        passed: the answer.
        value: what was measured.
        limit: what it was held to.
        score: 0 (hopeless) to 1 (as good as it gets), for `clarity`.
        reason: a sentence for people, lower case; empty where passed.
    """

    name: str
    passed: bool
    value: float
    limit: float
    score: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class QualityReport:
    checks: tuple[QualityCheck, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it did not pass."""
        return tuple(check.reason for check in self.checks if not check.passed)

    @property
    def clarity(self) -> float:
        """How clear the picture is, 0 to 1: the score of its weakest check."""
        return min(check.score for check in self.checks)


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """Scores from 0 to 100, by component; see the module."""

    components: Mapping[str, float]

    @property
    def unified(self) -> float:
        """The components' weighted mean, 0 to 100."""
        return sum(weight * self.components[name] for name, weight in WEIGHTS.items())

    @property
    def scores(self) -> Mapping[str, float]:
        """The unified score and the components, by name."""
        return {"unified": self.unified, **self.components}


def score_face(measured: FaceMeasures) -> FaceQuality:
    """Score one face by what was measured of it."""
    pose = measured.pose
    parts = {
        "size": (_share(measured.eye_distance_px, 8, 60),),
        "sharpness": (_share(measured.sharpness, 0.2, 0.65),),
        "pose": (
            _share(abs(pose.yaw), 70, 0),
            _share(abs(pose.pitch - STRAIGHT_PITCH_DEGREES), 50, 0),
            _share(abs(pose.roll - STRAIGHT_ROLL_DEGREES), 40, 0),
        ),
        "light": (
            _share(measured.brightness, 20, 130),
            _share(measured.brightness, 255, 200),
            _share(measured.balance, 0.2, 0.9),
            _share(measured.dark_share, 0.4, 0),
        ),
        "occlusion": (
            _share(measured.eye_light, 0.2, 0.9),
            _share(measured.mouth_detail, 0.2, 0.8),
            _share(measured.inside, 0.5, 1),
        ),
    }
    return FaceQuality({name: 100 * math.prod(shares) for name, shares in parts.items()})


def assess_for_enrolment(image: RgbImage, faces: list[Face]) -> QualityReport:
    """Judge a picture that a person is to be enrolled from.

    Args:
        image: uint8 (height, width, 3) RGB, upright.
        faces: as an engine found them. With no face or with several that is the only check made.

    Raises:
        RegionError: the face lies outside the picture.
    """
    if len(faces) != 1:
        return QualityReport((_one_face(len(faces)),))
    return check_face(measure_face(image, faces[0]))


def check_face(measured: FaceMeasures) -> QualityReport:
    """Judge the only face of a picture by what was measured of it."""
    return QualityReport((_one_face(1), *_checks(measured)))


def _one_face(count: int) -> QualityCheck:
    reason = "" if count == 1 else "no face was found" if count == 0 else f"{count} faces were found, not one"
    return QualityCheck("one face", count == 1, count, 1, float(count == 1), reason)


def _checks(measured: FaceMeasures) -> Iterator[QualityCheck]:
    size_px = measured.eye_distance_px
    yield _at_least(
        "size", size_px, MIN_EYE_DISTANCE_PX, 60, f"the face is too small: {size_px:.0f} px between the eyes"
    )
    sharpness = _at_least("sharpness", measured.sharpness, MIN_SHARPNESS, 0.6, "the face is blurred")
    contrast = _at_least("contrast", measured.contrast, MIN_CONTRAST, 30, "the face has hardly any contrast")
    yield from (sharpness, _brightness(measured.brightness), contrast)
    yield _pose(measured)
    yield _at_least("eyes", measured.eye_light, MIN_EYE_LIGHT, 0.8, "the eyes are covered or in deep shadow")
    yield _mouth(measured)
    yield _at_least("frame", measured.inside, MIN_INSIDE, 1, "the face is cut by the picture's border")
    # A blurred, flat or dark photo is smooth, too.
    if sharpness.passed and contrast.passed and measured.brightness >= MIN_BRIGHTNESS:
        yield _photo(measured.smooth_share)


def _at_least(name: str, value: float, limit: float, ample: float, reason: str) -> QualityCheck:
    """A value that has to reach `limit`, and at `ample` could not be better."""
    passed = value >= limit
    return QualityCheck(name, passed, value, limit, _share(value, 0, ample), "" if passed else reason)


def _at_most(name: str, value: float, limit: float, hopeless: float, reason: str) -> QualityCheck:
    """A value that may not pass `limit`, and at `hopeless` could not be worse."""
    passed = value <= limit
    return QualityCheck(name, passed, value, limit, _share(value, hopeless, 0), "" if passed else reason)


def _pose(measured: FaceMeasures) -> QualityCheck:
    yaw, pitch = abs(measured.pose.yaw), abs(measured.pose.pitch)
    turned, tipped = yaw > MAX_YAW_DEGREES, pitch > MAX_PITCH_DEGREES
    reason = "the face is turned away" if turned else "the face looks up or down" if tipped else ""
    name, value, limit = (
        ("pose", pitch, MAX_PITCH_DEGREES) if tipped and not turned else ("pose", yaw, MAX_YAW_DEGREES)
    )
    worst = max(yaw / MAX_YAW_DEGREES, pitch / MAX_PITCH_DEGREES)
    return QualityCheck(name, not (turned or tipped), value, limit, 1 - _share(worst, 0, 2), reason)


def _brightness(value: float) -> QualityCheck:
    if value > MAX_BRIGHTNESS:
        return _at_most("brightness", value, MAX_BRIGHTNESS, 255, "the face is too bright")
    return _at_least("brightness", value, MIN_BRIGHTNESS, 90, "the face is too dark")


def _photo(smooth_share: float) -> QualityCheck:
    reason = "the face looks drawn or smoothed, not photographed"
    return _at_most("photo", smooth_share, MAX_SMOOTH_SHARE, 0.3, reason)


def _mouth(measured: FaceMeasures) -> QualityCheck:
    off_colour = measured.lower_face_off > OFF_COLOUR
    limit = MIN_MOUTH_DETAIL_OFF_COLOUR if off_colour else MIN_MOUTH_DETAIL
    return _at_least("mouth", measured.mouth_detail, limit, 0.8, "the mouth is covered")


def _share(value: float, worst: float, best: float) -> float:
    """Where a value lies between worst (0) and best (1), which may be the smaller one."""
    return float(np.clip((value - worst) / (best - worst), 0, 1))
