"""How a face is cut out for the classifier of expressions, and what it says of one portrait."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

import cv2
from veilmesh_ml import Face, RgbImage
from veilmesh_ml.errors import ModelError
from veilmesh_ml.expression_reader import ExpressionReader, expression_chip
from veilmesh_ml.expressions import EXPRESSIONS, FEATURES, FIVE_POINTS, SIDE_PX

from tests.unit.ml.shipped_tiny import ship_tiny
from tests.unit.ml.test_exported import SHIPPED

pytestmark = pytest.mark.faces
shipped = pytest.mark.skipif("expression" not in SHIPPED, reason="the weights of `expression` do not ship")


def test_eyes_nose_and_mouth_lie_where_fer2013_has_them() -> None:
    """Bright dots at the five points of a face that is turned, and four times as large."""
    angle = np.radians(20)
    turn = 4 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    five = np.array(FIVE_POINTS) @ turn.T + (120, 60)
    landmarks = np.zeros((68, 2))
    landmarks[36:42], landmarks[42:48], landmarks[30], landmarks[48], landmarks[54] = five
    image = np.zeros((400, 400, 3), dtype=np.uint8)
    for x, y in five:
        cv2.circle(image, (round(x), round(y)), 5, (255, 255, 255), cv2.FILLED)
    chip = expression_chip(image, landmarks)
    assert chip.shape == (SIDE_PX, SIDE_PX)
    assert all(chip[round(y), round(x)] > 150 for x, y in FIVE_POINTS)
    assert chip.mean() < 15


def test_weights_of_another_config_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship_tiny(tmp_path, monkeypatch, "expression")
    with pytest.raises(ModelError, match="'expression' are of another config: they take 3 x 8 x 8, 5 and"):
        ExpressionReader()


@shipped
def test_a_smile_is_happy(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    chip = expression_chip(astronaut, astronaut_faces[0].landmarks)
    likely, features = ExpressionReader(threads=1).read_and_describe(np.stack([chip, chip[:, ::-1]]))
    assert likely.shape == (2, len(EXPRESSIONS))
    assert features.shape == (2, FEATURES)
    assert np.allclose(likely.sum(axis=1), 1)
    assert (likely.argmax(axis=1) == EXPRESSIONS.index("happy")).all()


@shipped
def test_light_changes_little(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    chip = expression_chip(astronaut, astronaut_faces[0].landmarks).astype(np.float64)
    dim, bright = (np.clip(chip * 0.8 + add, 0, 255).astype(np.uint8) for add in (0, 50))
    first, second = ExpressionReader(threads=1).read(np.stack([dim, bright]))
    assert np.abs(first - second).max() < 0.2
