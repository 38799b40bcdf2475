import pytest

pytest.importorskip("dlib")

import cv2
import numpy as np
from veilmesh_ml import Engine, Face, RgbImage
from veilmesh_ml.pose import head_pose
from veilmesh_ml.quality import QualityReport, assess_for_enrolment

pytestmark = pytest.mark.faces


def assess(engine: Engine, image: RgbImage) -> QualityReport:
    return assess_for_enrolment(image, engine.detect(image))


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
        "pose",
        "brightness",
        "contrast",
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
