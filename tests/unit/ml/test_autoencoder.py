"""Faces go through the network and come back to where they were."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")
pytest.importorskip("dlib")
pytest.importorskip("sklearn")

from veilmesh_ml import Face, RgbImage, load_anonymizer
from veilmesh_ml.anonymizers import ANONYMIZER_NAMES
from veilmesh_ml.anonymizers.autoencoder import SIDE_PX, Autoencoder
from veilmesh_ml.errors import ModelError
from veilmesh_ml.evaluate.anonymizers import METHODS
from veilmesh_ml.evaluate.measuring import psnr_db
from veilmesh_ml.evaluate.treatments import BASELINES, CAE
from veilmesh_ml.weights import ships

from tests.unit.ml.shipped_tiny import ship_tiny

pytestmark = pytest.mark.faces


def perfect(faces: NDArray[np.float32]) -> NDArray[np.float32]:
    """An autoencoder that loses nothing."""
    return faces


def flat(faces: NDArray[np.float32]) -> NDArray[np.float32]:
    """One that keeps the mean colour alone."""
    return np.broadcast_to(faces.mean(axis=(2, 3), keepdims=True), faces.shape)


def test_what_comes_back_lies_where_it_was(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    """The face at 64 px and enlarged again: blurred, in its place, and no pixel outside changes."""
    result = Autoencoder(network=perfect).anonymize(astronaut, astronaut_faces)
    (area,) = result.changed
    window = area.window
    rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
    assert psnr_db(astronaut[rows, columns], result.image[rows, columns]) > 24
    outside = (result.image != astronaut).any(axis=2)
    outside[rows, columns] = False
    assert not outside.any()
    assert result.parameters == {"grow": 0.15}


def test_the_face_is_what_the_network_gives(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    result = Autoencoder(network=flat).anonymize(astronaut, astronaut_faces)
    changed = result.image[(result.image != astronaut).any(axis=2)]
    assert len(changed) > 0.9 * result.changed[0].pixels
    assert changed.std(axis=0).max() < 1


def test_all_faces_are_given_at_once(astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    given: list[tuple[int, ...]] = []

    def note(faces: NDArray[np.float32]) -> NDArray[np.float32]:
        given.append(faces.shape)
        assert np.abs(faces).max() <= 1
        return faces

    both = np.concatenate([astronaut, astronaut], axis=1)
    (face,) = astronaut_faces
    second = face.moved(astronaut.shape[1], 0)
    result = Autoencoder(network=note).anonymize(both, [face, second])
    assert given == [(2, 3, SIDE_PX, SIDE_PX)]
    left, right = np.split(result.image.astype(np.int16), 2, axis=1)
    assert np.abs(left - right).max() <= 4  # places are rounded to 1/32 of a pixel
    assert Autoencoder(network=note).anonymize(both, []).changed == ()
    assert len(given) == 1


def test_is_measured_where_its_weights_ship_and_never_offered() -> None:
    assert (CAE in {treatment.name for treatment in BASELINES}) == ships("autoencoder")
    assert ("autoencoder" in METHODS) == ships("autoencoder")
    assert "autoencoder" not in ANONYMIZER_NAMES


def test_weights_of_another_config_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship_tiny(tmp_path, monkeypatch, "autoencoder")
    with pytest.raises(ModelError, match="'autoencoder' are of another config"):
        load_anonymizer("autoencoder")
