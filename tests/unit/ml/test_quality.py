from collections.abc import Callable

import pytest

pytest.importorskip("dlib")

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from veilmesh_ml import Engine, Face, RgbImage
from veilmesh_ml.errors import RegionError
from veilmesh_ml.face_measures import measure_face
from veilmesh_ml.pose import head_pose
from veilmesh_ml.quality import WEIGHTS, FaceQuality, QualityReport, assess_for_enrolment, score_face

from tests.unit.ml.spoilt_faces import as_cartoon, as_pencil_drawing, with_mask, with_sunglasses

pytestmark = pytest.mark.faces


def assess(engine: Engine, image: RgbImage) -> QualityReport:
    return assess_for_enrolment(image, engine.detect(image))


def assess_face(image: RgbImage, face: Face) -> FaceQuality:
    return score_face(measure_face(image, face))


def resized(image: RgbImage, scale: float) -> RgbImage:
    return np.asarray(
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8
    )


def test_a_good_portrait_passes(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    report = assess_for_enrolment(astronaut, astronaut_faces)
    assert report.passed
    assert report.reasons == ()
    assert [check.name for check in report.checks] == [
        "one face",
        "size",
        "sharpness",
        "brightness",
        "contrast",
        "pose",
        "eyes",
        "mouth",
        "frame",
        "photo",
    ]
    assert 0.5 < report.clarity <= 1


def test_no_face() -> None:
    report = assess_for_enrolment(np.zeros((50, 50, 3), dtype=np.uint8), [])
    assert not report.passed
    assert report.reasons == ("no face was found",)
    assert report.clarity == 0


def test_several_faces(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    report = assess_for_enrolment(astronaut, astronaut_faces * 3)
    assert report.reasons == ("3 faces were found, not one",)


def test_tiny_face(engine: Engine, astronaut: RgbImage) -> None:
    report = assess(engine, resized(astronaut, 18 / 44))
    assert len(report.reasons) == 1
    assert report.reasons[0].startswith("the face is too small: 1")


def test_a_face_of_the_least_size_passes(engine: Engine, astronaut: RgbImage) -> None:
    assert assess(engine, resized(astronaut, 27 / 44)).passed


@pytest.mark.parametrize("sigma", [2, 3])
def test_blurred_face(engine: Engine, astronaut: RgbImage, sigma: float) -> None:
    report = assess(engine, np.asarray(cv2.GaussianBlur(astronaut, (0, 0), sigma), dtype=np.uint8))
    assert report.reasons == ("the face is blurred",)


def test_sharpness_does_not_depend_on_light(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    dim = (astronaut * 0.5).astype(np.uint8)
    plain, dimmed = (
        assess_for_enrolment(image, astronaut_faces).checks[2].value for image in (astronaut, dim)
    )
    assert abs(plain - dimmed) < 0.05


def test_dark_face(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    report = assess_for_enrolment((astronaut * 0.2).astype(np.uint8), astronaut_faces)
    assert "the face is too dark" in report.reasons


def test_glaring_face(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    bright = np.clip(astronaut.astype(int) + 110, 0, 255).astype(np.uint8)
    assert "the face is too bright" in assess_for_enrolment(bright, astronaut_faces).reasons


def test_flat_face(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    flat = (128 + (astronaut.astype(int) - 128) * 0.1).astype(np.uint8)
    assert "the face has hardly any contrast" in assess_for_enrolment(flat, astronaut_faces).reasons


def turned(face: Face, yaw: float, pitch: float) -> Face:
    """The face with its landmarks where a head turned by these angles (degrees) would show them."""
    points = face.landmarks - face.landmarks.mean(axis=0)
    width = np.ptp(points[:, 0])
    # A head is about as deep as its face is wide: a half cylinder whose axis is upright.
    depth = np.sqrt(np.maximum(0, (0.5 * width) ** 2 - points[:, 0] ** 2))
    depth[27:36] += 0.15 * width  # the nose stands out
    across = points[:, 0] * np.cos(np.radians(yaw)) + depth * np.sin(np.radians(yaw))
    down = points[:, 1] * np.cos(np.radians(pitch)) - depth * np.sin(np.radians(pitch))
    landmarks = np.rint(np.stack([across, down], axis=1) + face.landmarks.mean(axis=0)).astype(np.int64)
    return Face(face.box, landmarks, face.confidence)


def test_pose_of_a_face_that_looks_into_the_camera(astronaut_faces: list[Face]) -> None:
    pose = head_pose(astronaut_faces[0].landmarks)
    assert abs(pose.yaw) < 20
    assert abs(pose.pitch) < 25
    assert abs(pose.roll) < 8


def test_pose_follows_the_head(astronaut_faces: list[Face]) -> None:
    (face,) = astronaut_faces
    yaws = [head_pose(turned(face, yaw, 0).landmarks).yaw for yaw in (-40, -20, 0, 20, 40)]
    assert yaws == sorted(yaws) or yaws == sorted(yaws, reverse=True)
    assert abs(yaws[0] - yaws[-1]) > 50


def test_face_turned_away(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    report = assess_for_enrolment(astronaut, [turned(astronaut_faces[0], 75, 0)])
    assert "the face is turned away" in report.reasons


def test_mirrored_face_has_the_opposite_yaw(astronaut_faces: list[Face]) -> None:
    landmarks = turned(astronaut_faces[0], 30, 0).landmarks
    swap = [
        *range(16, -1, -1),
        *range(26, 16, -1),
        *range(27, 31),
        *range(35, 30, -1),
        45,
        44,
        43,
        42,
        47,
        46,
    ]
    swap += [39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]
    mirrored = (landmarks * np.array([-1, 1]) + np.array([512, 0]))[swap]
    assert head_pose(mirrored).yaw == pytest.approx(-head_pose(landmarks).yaw, abs=1)


@pytest.mark.parametrize("opacity", [1.0, 0.85])
def test_sunglasses(astronaut: RgbImage, astronaut_faces: list[Face], opacity: float) -> None:
    dark = with_sunglasses(astronaut, astronaut_faces[0], opacity)
    assert assess_for_enrolment(dark, astronaut_faces).reasons == ("the eyes are covered or in deep shadow",)


@pytest.mark.parametrize("colour", [(235, 238, 240), (150, 190, 220), (30, 30, 35), (170, 60, 70)])
def test_mask(astronaut: RgbImage, astronaut_faces: list[Face], colour: tuple[int, int, int]) -> None:
    masked = with_mask(astronaut, astronaut_faces[0], colour)
    assert "the mouth is covered" in assess_for_enrolment(masked, astronaut_faces).reasons


@pytest.mark.parametrize("draw", [as_cartoon, as_pencil_drawing])
def test_drawing(
    astronaut: RgbImage, astronaut_faces: list[Face], draw: Callable[[RgbImage], RgbImage]
) -> None:
    reasons = assess_for_enrolment(draw(astronaut), astronaut_faces).reasons
    assert "the face looks drawn or smoothed, not photographed" in reasons


def test_a_face_of_ellipses_is_refused_for_some_reason(engine: Engine) -> None:
    canvas = np.full((300, 300, 3), 255, dtype=np.uint8)
    cv2.ellipse(canvas, (150, 150), (80, 105), 0, 0, 360, (240, 200, 170), -1)
    for x in (120, 180):
        cv2.ellipse(canvas, (x, 125), (14, 8), 0, 0, 360, (255, 255, 255), -1)
        cv2.circle(canvas, (x, 125), 6, (40, 30, 20), -1)
    cv2.line(canvas, (150, 130), (145, 165), (150, 110, 90), 2)
    cv2.ellipse(canvas, (150, 200), (30, 10), 0, 0, 180, (180, 60, 60), -1)
    report = assess(engine, canvas)
    assert not report.passed
    assert report.reasons


def test_face_cut_by_the_border(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    (face,) = astronaut_faces
    cut = np.ascontiguousarray(astronaut[:, 230:])
    assert (
        "the face is cut by the picture's border" in assess_for_enrolment(cut, [face.moved(-230, 0)]).reasons
    )
    nearly_whole = np.ascontiguousarray(astronaut[:, 185:])
    assert assess_for_enrolment(nearly_whole, [face.moved(-185, 0)]).passed


def test_a_face_outside_the_picture(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    with pytest.raises(RegionError):
        assess_for_enrolment(astronaut, [astronaut_faces[0].moved(2000, 0)])


def test_a_tilted_or_mirrored_or_larger_picture_scores_alike(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    good = assess_face(astronaut, astronaut_faces[0])
    turn = cv2.getRotationMatrix2D((223, 127), 12, 1.0)
    tilted = np.asarray(cv2.warpAffine(astronaut, turn, (512, 512)), dtype=np.uint8)
    for other in (tilted, np.ascontiguousarray(astronaut[:, ::-1])):
        (face,) = engine.detect(other)
        found = assess_face(other, face)
        for name in ("sharpness", "light", "occlusion"):
            assert found.components[name] == pytest.approx(good.components[name], abs=20), name


def blurred(image: RgbImage, amount: float) -> RgbImage:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.2 + 5 * amount), dtype=np.uint8)


def darkened(image: RgbImage, amount: float) -> RgbImage:
    return (image * (1 - 0.9 * amount)).astype(np.uint8)


def lit_from_the_side(image: RgbImage, amount: float) -> RgbImage:
    across = np.clip((np.arange(512) - 180) / 88, 0, 1)[np.newaxis, :, np.newaxis]
    return (image * (1 - 0.9 * amount * across)).astype(np.uint8)


@pytest.mark.parametrize(
    ("spoil", "component"),
    [
        (blurred, "sharpness"),
        (darkened, "light"),
        (lit_from_the_side, "light"),
    ],
)
def test_what_spoils_a_component_more_scores_less(
    astronaut: RgbImage,
    astronaut_faces: list[Face],
    spoil: Callable[[RgbImage, float], RgbImage],
    component: str,
) -> None:
    steps = [assess_face(spoil(astronaut, amount), astronaut_faces[0]) for amount in (0, 0.3, 0.6, 0.9)]
    scores = [step.components[component] for step in steps]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 25
    assert steps[-1].unified < steps[0].unified


def test_darker_glasses_score_less(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    (face,) = astronaut_faces
    scores = [
        assess_face(with_sunglasses(astronaut, face, opacity), face).components["occlusion"]
        for opacity in (0, 0.3, 0.6, 0.9)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 50


@given(
    component=st.sampled_from(sorted(WEIGHTS)),
    scores=st.fixed_dictionaries({name: st.floats(0, 100) for name in WEIGHTS}),
    better=st.floats(0, 100),
)
def test_a_better_component_never_makes_the_score_worse(
    component: str, scores: dict[str, float], better: float
) -> None:
    before, after = FaceQuality(scores), FaceQuality(scores | {component: max(better, scores[component])})
    assert 0 <= before.unified <= after.unified <= 100 + 1e-9


def test_weights_are_shares() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    assert min(WEIGHTS.values()) > 0
