"""A face and its mirror image are compared as one."""

import numpy as np
import pytest
from veilmesh_ml import Engine, Face, RgbImage
from veilmesh_ml.sample_features import sample_features

pytestmark = pytest.mark.faces


def test_a_mirrored_chip_has_the_same(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    features = sample_features(engine, astronaut, astronaut_faces)
    chip = engine.align(astronaut, astronaut_faces[0])
    plain, mirrored = engine.encode_chips(np.stack([chip, chip[:, ::-1]]))
    np.testing.assert_allclose(features, [(plain + mirrored) / 2], atol=1e-6)
    assert 0 < np.linalg.norm(features[0] - plain) < np.linalg.norm(mirrored - plain)


def test_no_faces_no_features(engine: Engine, astronaut: RgbImage) -> None:
    assert sample_features(engine, astronaut, []).shape == (0, 128)
