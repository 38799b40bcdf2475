import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("dlib")

import cv2
import numpy as np
from veilmesh_ml import Box, Engine, Face, RgbImage, dissimilarity, load_engine, model_files
from veilmesh_ml.errors import ModelError, RegionError, UnknownNameError

pytestmark = pytest.mark.faces


@pytest.fixture(scope="session", params=["fast", "reference"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Whatever stands below holds for every engine."""
    return load_engine(request.param, device="cpu")


def test_finds_the_one_face(astronaut_faces: list[Face]) -> None:
    (face,) = astronaut_faces
    assert 80 < face.box.width < 100
    assert face.confidence > 1
    assert face.landmarks.dtype == np.int64
    eyes, mouth = face.landmarks[36:48].mean(axis=0), face.landmarks[48:].mean(axis=0)
    assert face.box.top < eyes[1] < mouth[1] < face.box.bottom


def test_features_are_deterministic_and_of_the_documented_shape(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    features = engine.encode(astronaut, astronaut_faces * 2)
    assert features.shape == (2, 128)
    assert features.dtype == np.float64
    assert np.array_equal(features[0], features[1])
    assert engine.encode(astronaut, []).shape == (0, 128)


def test_equals_dlib_used_directly(engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    import dlib

    detection = dlib.get_frontal_face_detector()(astronaut, 0)[0]
    shape = dlib.shape_predictor(str(model_files.locate(model_files.LANDMARKS_68)))(astronaut, detection)
    encoder = dlib.face_recognition_model_v1(str(model_files.locate(model_files.ENCODER)))
    expected = np.array(encoder.compute_face_descriptor(astronaut, shape))
    assert np.abs(engine.encode(astronaut, astronaut_faces)[0] - expected).max() < 1e-5


def test_chip_is_upright_and_150_px(engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]) -> None:
    chip = engine.align(astronaut, astronaut_faces[0])
    assert chip.shape == (150, 150, 3)
    assert chip.dtype == np.uint8


def test_chips_give_what_the_face_gives(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    chip = engine.align(astronaut, astronaut_faces[0])
    features = engine.encode_chips(np.stack([chip, chip[:, ::-1]]))
    assert features.dtype == np.float64
    assert np.array_equal(features[:1], engine.encode(astronaut, astronaut_faces))
    assert 0 < dissimilarity(features[0], features[1]) < 0.4
    assert engine.encode_chips(np.empty((0, 150, 150, 3), np.uint8)).shape == (0, 128)


@pytest.mark.parametrize("shape", [(150, 150, 3), (1, 112, 112, 3), (1, 150, 150)])
def test_what_is_no_chip_is_refused(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not uint8"):
        engine.encode_chips(np.zeros(shape, np.uint8))


def test_no_face(engine: Engine) -> None:
    assert engine.detect(np.full((200, 300, 3), 127, dtype=np.uint8)) == []
    assert engine.detect(np.zeros((1, 1, 3), dtype=np.uint8), thorough=True) == []


def test_several_faces_surest_first(engine: Engine, astronaut: RgbImage) -> None:
    head = astronaut[30:230, 110:310]
    faces = engine.detect(np.ascontiguousarray(np.hstack([head, head[:, ::-1]])))
    assert len(faces) == 2
    assert faces[0].confidence >= faces[1].confidence


def test_small_face_is_found_doubled(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    small = np.asarray(
        cv2.resize(astronaut, None, fx=0.55, fy=0.55, interpolation=cv2.INTER_AREA), dtype=np.uint8
    )
    (face,) = engine.detect(small)
    assert face.box.overlap(astronaut_faces[0].scaled(0.55).box) > 0.6


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_turned_picture_gives_the_same_person(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face], quarter_turns: int
) -> None:
    head = astronaut[20:280, 80:340]
    turned = np.ascontiguousarray(np.rot90(head, quarter_turns))
    (face,) = engine.detect(turned)
    upright = engine.encode(astronaut, astronaut_faces)[0]
    assert dissimilarity(engine.encode(turned, [face])[0], upright) < 0.3


def test_thorough_finds_a_tilted_face_that_plain_misses(engine: Engine, astronaut: RgbImage) -> None:
    turn = cv2.getRotationMatrix2D((223, 127), 38, 1.0)
    tilted = np.asarray(
        cv2.warpAffine(astronaut, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8
    )
    over_the_face = [
        face for face in engine.detect(tilted, thorough=True) if face.box.left < 223 < face.box.right
    ]
    assert any(face.box.top < 127 < face.box.bottom for face in over_the_face)


def test_a_marked_face_is_the_one_found_there(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    found = astronaut_faces[0]
    marked = engine.face_in(astronaut, found.box)
    assert np.array_equal(marked.landmarks, found.landmarks)
    assert np.array_equal(engine.encode(astronaut, [marked]), engine.encode(astronaut, [found]))


@pytest.mark.parametrize("box", [Box(10, 10, 10, 90), Box(-1, 0, 80, 80), Box(500, 500, 513, 510)])
def test_a_mark_outside_the_picture_is_refused(engine: Engine, astronaut: RgbImage, box: Box) -> None:
    with pytest.raises(RegionError, match="512 x 512"):
        engine.face_in(astronaut, box)


def test_threads_may_share_an_engine(
    engine: Engine, astronaut: RgbImage, astronaut_faces: list[Face]
) -> None:
    expected = engine.encode(astronaut, astronaut_faces)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: engine.encode(astronaut, engine.detect(astronaut)), range(6)))
    assert all(np.array_equal(features, expected) for features in found)


def test_digests_are_those_of_the_files(engine: Engine) -> None:
    folder = model_files.locate(model_files.ENCODER).parent
    content = (folder / "dlib_face_recognition_resnet_model_v1.dat").read_bytes()
    assert engine.model_digest == hashlib.sha256(content).hexdigest()
    assert engine.landmarks_digest == model_files.LANDMARKS_68.sha256
    assert engine.detector.startswith("dlib-hog-")


def test_another_model_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / model_files.ENCODER.name).write_bytes(b"not this one")
    monkeypatch.setattr(model_files, "_folder", lambda _package: tmp_path)
    with pytest.raises(ModelError, match="expected 55533b28a958…"):
        model_files.locate(model_files.ENCODER)
    with pytest.raises(ModelError, match="cannot read model"):
        model_files.locate(model_files.LANDMARKS_68)


def test_unknown_engine() -> None:
    with pytest.raises(UnknownNameError, match="no engine called 'fast2'") as caught:
        load_engine("fast2")
    assert "fast, reference" in caught.value.hint
