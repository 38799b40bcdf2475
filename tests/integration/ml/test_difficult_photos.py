"""Photos as they come: crowds, a huge group photo, upside down, people at the border, nobody."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("dlib")

import cv2
import numpy as np
from veilmesh_ml import Engine, RgbImage, dissimilarity
from veilmesh_ml.quality import assess_for_enrolment

pytestmark = pytest.mark.faces

MAX_EXTRA_BYTES = 1_000_000_000


@pytest.fixture(scope="module")
def head(astronaut: RgbImage) -> RgbImage:
    """The portrait's head alone, 112 x 112: a face of 88 px."""
    return np.ascontiguousarray(astronaut[66:178, 167:279])


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Fail where the work took more processor time, or raised the process's peak memory by a gigabyte."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - begun < seconds
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MAX_EXTRA_BYTES


def test_five_hundred_faces(engine: Engine, head: RgbImage) -> None:
    crowd = np.tile(head, (20, 25, 1))
    with bounded(seconds=60):
        faces = engine.detect(crowd)
        report = assess_for_enrolment(crowd, faces)
    assert len(faces) == 500
    assert report.reasons == ("500 faces were found, not one",)


def test_group_photo_of_twelve_megapixels(engine: Engine, head: RgbImage) -> None:
    photo = np.full((3000, 4000, 3), 120, dtype=np.uint8)
    sizes = [120, 160, 220, 300, 420, 560, 120, 160, 220, 300, 420, 560]
    for index, size in enumerate(sizes):
        top, left = 60 + index // 4 * 980, 60 + index % 4 * 980
        scaled = cv2.resize(head, (size, size), interpolation=cv2.INTER_AREA)
        photo[top : top + size, left : left + size] = scaled
    with bounded(seconds=120):
        faces = engine.detect(photo)
        features = engine.encode(photo, faces)
    assert len(faces) == len(sizes)
    assert all(np.isfinite(row).all() for row in features)
    assert max(dissimilarity(row, features[0]) for row in features) < 0.4  # it is always she


def test_twelve_megapixels_and_nobody(engine: Engine) -> None:
    photo = np.random.default_rng(4).integers(90, 110, (3000, 4000, 3), dtype=np.uint8)
    with bounded(seconds=120):
        report = assess_for_enrolment(photo, engine.detect(photo))
    assert report.reasons == ("no face was found",)


def test_upside_down(engine: Engine, astronaut: RgbImage) -> None:
    turned = np.ascontiguousarray(astronaut[::-1, ::-1])
    (upright,), (face,) = engine.detect(astronaut), engine.detect(turned)
    assert abs((face.box.left + face.box.right) / 2 - (511 - (upright.box.left + upright.box.right) / 2)) < 12
    distance = dissimilarity(engine.encode(turned, [face])[0], engine.encode(astronaut, [upright])[0])
    assert distance < 0.3


@pytest.mark.parametrize("cut", [205, 235])
def test_a_face_cut_by_the_border_is_found_whole_enough_or_refused(
    engine: Engine, astronaut: RgbImage, cut: int
) -> None:
    photo = np.ascontiguousarray(astronaut[:, cut:])
    faces = engine.detect(photo)
    report = assess_for_enrolment(photo, faces)
    assert report.reasons in {
        ("no face was found",),
        ("the face is cut by the picture's border",),
    }


def test_no_face_at_all(engine: Engine) -> None:
    from skimage import data

    for name in ("coffee", "rocket", "brick"):
        picture = np.asarray(getattr(data, name)(), dtype=np.uint8)
        photo = picture if picture.ndim == 3 else np.repeat(picture[:, :, np.newaxis], 3, axis=2)
        faces = engine.detect(np.ascontiguousarray(photo))
        assert not assess_for_enrolment(photo, faces).passed, name
