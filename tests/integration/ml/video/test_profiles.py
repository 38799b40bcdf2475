"""CenterFace as it is installed: dark, small and large faces; a man in profile whom dlib's detectors miss."""

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("av")

from veilmesh_ml import Engine, Face, RgbImage
from veilmesh_ml.evaluate.video_faces import is_untouched
from veilmesh_ml.face import Box
from veilmesh_ml.video.centerface import CenterFace
from veilmesh_ml.video.orientation import Orientation
from veilmesh_ml.video.pixels import to_rgb
from veilmesh_ml.video.release import VideoSettings, anonymize_video

from tests.unit.ml.video.clips import decode, make_clip

pytestmark = [pytest.mark.faces, pytest.mark.slow]

# Where the man's profile is in frames of short_hamilton_clip.mp4, from brow to chin, as it was seen by eye.
# In the first of them only a strip of it has come in by the border.
PROFILE = {
    61: Box(614, 60, 640, 220),
    64: Box(606, 60, 640, 235),
    68: Box(555, 80, 620, 215),
    72: Box(480, 100, 580, 260),
    76: Box(465, 165, 550, 300),
}
FIRST, LAST = 60, 82


@pytest.fixture(scope="module")
def detector() -> CenterFace:
    return CenterFace.load()


@pytest.mark.parametrize(("scale", "light"), [(1.0, 1.0), (1.0, 0.15), (0.4, 1.0), (3.0, 1.0), (3.0, 0.3)])
def test_one_face_whatever_its_size_and_light(
    detector: CenterFace, astronaut: RgbImage, astronaut_faces: list[Face], scale: float, light: float
) -> None:
    resized = cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = np.asarray(resized * light, dtype=np.uint8)
    (found,) = detector.find(picture, 0.4)
    known = astronaut_faces[0].scaled(scale)
    assert found.box.overlap(known.box) > 0.5
    left, right = known.landmarks[36:42].mean(axis=0), known.landmarks[42:48].mean(axis=0)
    assert np.linalg.norm(found.points[:2] - [left, right], axis=1).max() < 0.15 * known.box.width


def test_where_there_is_no_face_there_is_none(detector: CenterFace, astronaut: RgbImage) -> None:
    assert detector.find(np.ascontiguousarray(astronaut[300:, :200]), 0.4) == []


def test_a_man_in_profile_is_masked_in_every_frame(engine: Engine, photos: Path, tmp_path: Path) -> None:
    frames = decode(photos / "video" / "short_hamilton_clip.mp4")[FIRST:LAST]
    before = [to_rgb(frame, Orientation()) for frame in frames]
    source = make_clip(tmp_path / "in.mp4", before)
    anonymize_video(source, tmp_path / "out.mp4", engine, VideoSettings("mask"))
    after = [to_rgb(frame, Orientation()) for frame in decode(tmp_path / "out.mp4")]
    for number, box in PROFILE.items():
        shown = after[number - FIRST][box.top : box.bottom, box.left : box.right].reshape(-1, 3)
        grey = np.abs(shown.astype(np.int64) - np.median(shown, axis=0)).max(axis=1) <= 10
        assert grey.mean() > 0.95, f"frame {number}"
        assert is_untouched(before[number - FIRST], before[number - FIRST], box)
