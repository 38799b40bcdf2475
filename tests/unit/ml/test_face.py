import pytest

pytest.importorskip("dlib")

import numpy as np
from veilmesh_ml import Box, Face

pytestmark = pytest.mark.faces


def test_overlap_is_intersection_over_union() -> None:
    assert Box(0, 0, 10, 10).overlap(Box(5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert Box(0, 0, 10, 10).overlap(Box(10, 0, 20, 10)) == 0
    assert Box(3, 4, 9, 9).overlap(Box(3, 4, 9, 9)) == 1


def test_part_inside_a_picture() -> None:
    assert Box(-5, 2, 30, 99).within(50, 20) == Box(0, 2, 20, 50)
    outside = Box(40, 40, 60, 60).within(30, 30)
    assert outside.width == outside.height == 0


def test_face_moves_with_its_landmarks() -> None:
    face = Face(Box(0, 0, 10, 10), np.zeros((68, 2), dtype=np.int64), 1.0).moved(3, -2)
    assert face.box == Box(3, -2, 13, 8)
    assert (face.landmarks == [3, -2]).all()


def test_landmarks_cannot_be_changed_or_have_another_shape() -> None:
    face = Face(Box(0, 0, 10, 10), np.zeros((68, 2), dtype=np.int64), 1.0)
    with pytest.raises(ValueError, match="read-only"):
        face.landmarks[0, 0] = 1
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        Face(Box(0, 0, 1, 1), np.zeros((5, 2), dtype=np.int64), 1.0)


def test_repr_shows_no_landmarks() -> None:
    assert "landmarks" not in repr(Face(Box(0, 0, 10, 10), np.zeros((68, 2), dtype=np.int64), 1.0))
