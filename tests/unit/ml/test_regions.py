import pytest

pytest.importorskip("dlib")

import cv2
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from veilmesh_ml import Face
from veilmesh_ml.errors import RegionError
from veilmesh_ml.regions import face_outline, face_region, key_region, surroundings

pytestmark = pytest.mark.faces

PICTURE = (512, 512, 3)


def test_key_region_has_n_pixels(astronaut_faces: list[Face]) -> None:
    for n in (3000, 4500, 6000, 9360):
        assert key_region(PICTURE, astronaut_faces[0], n).pixels == n


def test_key_region_holds_eyes_nose_and_mouth_first(astronaut_faces: list[Face]) -> None:
    (face,) = astronaut_faces
    region = key_region(PICTURE, face, 100)
    assert region.pixels > 100  # the parts are never cut
    for part in (slice(36, 42), slice(42, 48), slice(27, 36), slice(48, 60)):
        column, row = face.landmarks[part].mean(axis=0).round().astype(int)
        assert region.mask[row - region.window.top, column - region.window.left]


def test_larger_n_only_adds(astronaut_faces: list[Face]) -> None:
    smaller, larger = (key_region(PICTURE, astronaut_faces[0], n) for n in (4000, 8000))
    assert not (smaller.mask & ~larger.mask).any()


def test_n_beyond_the_face_ends_at_the_whole_face(astronaut_faces: list[Face]) -> None:
    whole = face_region(PICTURE, astronaut_faces[0], 0.15)
    assert key_region(PICTURE, astronaut_faces[0], 10**7).pixels == whole.pixels


def test_outline_reaches_above_the_brows(astronaut_faces: list[Face]) -> None:
    (face,) = astronaut_faces
    brows_top, chin = face.landmarks[17:27, 1].min(), face.landmarks[8, 1]
    assert face_outline(face.landmarks)[:, 1].min() < brows_top - 0.2 * (chin - brows_top)


def test_growing_adds_on_every_side(astronaut_faces: list[Face]) -> None:
    plain, grown = (face_region(PICTURE, astronaut_faces[0], grow) for grow in (0.0, 0.2))
    assert grown.window.left < plain.window.left
    assert grown.window.right > plain.window.right
    assert grown.window.bottom > plain.window.bottom
    assert grown.pixels > 1.5 * plain.pixels


@settings(max_examples=20, deadline=None)
@given(
    right=st.integers(-20, 500),
    down=st.integers(-40, 500),
    grow=st.floats(0.05, 1.0),
    scale=st.sampled_from([0.05, 0.1, 0.2]),
)
def test_growing_is_dilation_by_a_disc(
    astronaut_faces: list[Face], right: int, down: int, grow: float, scale: float
) -> None:
    face = astronaut_faces[0].scaled(scale).moved(right, down)
    outline = face_outline(face.landmarks)
    margin = round(grow * float(np.ptp(outline[:, 0])))
    # An outline that is cut, OpenCV fills with a pixel more or less.
    assume((outline >= -margin).all() and (outline < 512 + margin).all())
    room = margin + 1
    canvas = np.zeros((512 + 2 * room, 512 + 2 * room), dtype=np.uint8)
    cv2.fillPoly(canvas, [(outline + room).astype(np.int32)], 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    expected = cv2.dilate(canvas, disc)[room:-room, room:-room].astype(np.bool_)
    try:
        region = face_region(PICTURE, face, grow)
    except RegionError:
        assert not expected.any()
        return
    found = np.zeros_like(expected)
    found[region.rows_and_columns] = region.mask
    assert np.array_equal(found, expected)


@settings(max_examples=60, deadline=None)
@given(
    right=st.integers(-320, 420),
    down=st.integers(-240, 480),
    n=st.integers(2, 20_000),
    scale=st.sampled_from([0.2, 1.0, 2.5]),
)
def test_wherever_the_face_lies(
    astronaut_faces: list[Face], right: int, down: int, n: int, scale: float
) -> None:
    """Regions stay inside the picture, and a face wholly outside is refused."""
    face = astronaut_faces[0].scaled(scale).moved(right, down)
    try:
        region = key_region(PICTURE, face, n)
    except RegionError:
        outline = face_outline(face.landmarks)
        margin = np.ptp(outline[:, 0]) * 0.15 + 1
        low, high = outline.min(axis=0) - margin, outline.max(axis=0) + margin
        assert (high < 0).any() or (low > 511).any() or _corner_case(low, high)
        return
    window = region.window
    assert 0 <= window.left < window.right <= 512
    assert 0 <= window.top < window.bottom <= 512
    assert region.mask.shape == (window.height, window.width)
    assert region.pixels >= 1


def _corner_case(low: np.ndarray, high: np.ndarray) -> bool:
    """The bounding box reaches into a corner of the picture, the round face does not."""
    inside = np.minimum(high, 511) - np.maximum(low, 0)
    return bool((inside < 0.5 * (high - low)).all())


def test_surroundings_scale_down_large_faces_only(astronaut_faces: list[Face]) -> None:
    image = np.zeros(PICTURE, dtype=np.uint8)
    (face,) = astronaut_faces
    window, inside = surroundings(image, face, 200)
    assert inside.box.width == face.box.width
    window, inside = surroundings(image, face, 40)
    assert abs(inside.box.width - 40) <= 1
    assert window.shape[1] < 100


def test_surroundings_of_a_face_outside(astronaut_faces: list[Face]) -> None:
    with pytest.raises(RegionError, match="outside the picture"):
        surroundings(np.zeros(PICTURE, dtype=np.uint8), astronaut_faces[0].moved(2000, 0))
