"""The bank's builder, on faces drawn by numbers: blurred noise with eyes and a mouth."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("dlib")

from numpy.typing import NDArray
from veilmesh_ml import Engine, Face, RgbImage, write_image
from veilmesh_ml.errors import ModelError, ParameterError
from veilmesh_ml.surrogate.bank import MIN_PEOPLE, decode_bank, encode_bank
from veilmesh_ml.surrogate.frame import Frame
from veilmesh_ml.surrogate.shape import fit_shapes
from veilmesh_ml.train.bank import build_bank
from veilmesh_ml.train.faces import TrainingFaces
from veilmesh_ml.train.likeness import fit_likeness
from veilmesh_ml.train.photo_folder import FaceStore, data_digest, photos_of, read_faces
from veilmesh_ml.weights import shipped_bank

pytestmark = pytest.mark.faces

PHOTOS = 220


@pytest.fixture(scope="module")
def frame() -> Frame:
    return shipped_bank().frame


@pytest.fixture(scope="module")
def drawn() -> TrainingFaces:
    """Two photos each of 120 people: textures of donors with noise, in two genders and five groups."""
    random = np.random.default_rng(0)
    bank = shipped_bank()
    donors = random.integers(0, bank.donors, PHOTOS // 2).repeat(2)
    noise = random.normal(0, 6, (PHOTOS, 160, 160, 1))
    textures = np.clip(bank.textures[donors] + noise, 0, 255).astype(np.uint8)
    landmarks = np.rint(bank.shapes[donors] + random.normal(0, 1, (PHOTOS, 68, 2)) + 100).astype(np.int64)
    labels = np.column_stack([20 + donors % 50, donors % 2, donors % 5])
    return TrainingFaces(
        textures=textures,
        landmarks=landmarks,
        sizes=np.full((PHOTOS, 2), 400),
        people=np.arange(PHOTOS) // 2,
        features=random.normal(0, 1, (PHOTOS, 128)) + np.eye(128)[donors % 5] * 3,
        labels=labels,
    )


class TestBuilding:
    def test_donors_are_averages_of_enough_people(self, drawn: TrainingFaces, frame: Frame) -> None:
        begun: list[int] = []
        bank = build_bank(drawn, frame, clusters=4, progress=lambda done, _all: begun.append(done))
        assert begun == [1, 2, 3, 4]
        assert 1 <= bank.donors <= 4
        assert bank.people.min() >= MIN_PEOPLE
        assert bank.people.max() <= 24
        assert (bank.textures[:, frame.depth_px > 10].std(axis=1) > 3).all()  # of something, not of nothing
        read = decode_bank(encode_bank(bank))
        assert read.donors == bank.donors

    def test_equal_faces_and_seed_equal_bytes(self, drawn: TrainingFaces, frame: Frame) -> None:
        one, two = (encode_bank(build_bank(drawn, frame, clusters=1, seed=7)) for _ in range(2))
        assert one == two

    def test_without_labels_there_is_no_gender_to_keep(self, drawn: TrainingFaces, frame: Frame) -> None:
        from dataclasses import replace

        blank = replace(drawn, labels=np.full_like(drawn.labels, -1))
        with pytest.raises(ModelError, match="0 photos have labels"):
            build_bank(blank, frame, clusters=2)

    def test_too_few_people_make_no_donor(self, drawn: TrainingFaces, frame: Frame) -> None:
        from dataclasses import replace

        few = replace(drawn, people=np.arange(PHOTOS) % (MIN_PEOPLE - 1))
        with pytest.raises(ModelError, match="no donor"):
            build_bank(few, frame, clusters=2)


class TestLikeness:
    def test_tells_people_apart_and_not_by_what_the_teacher_says(self) -> None:
        random = np.random.default_rng(2)
        people = np.repeat(np.arange(60), 4)
        score = random.normal(0, 3, (60, 1))
        identity = np.concatenate([random.normal(0, 1, (60, 20)), score], axis=1)
        features = np.pad(identity, ((0, 0), (0, 107)))[people] + random.normal(0, 0.2, (240, 128))
        seen = (features @ random.normal(0, 1, (128, 160))).astype(np.float32)
        likeness = fit_likeness(seen, features, people, score[people])
        guessed = seen @ likeness.weights + likeness.bias
        unit = guessed / np.linalg.norm(guessed, axis=1, keepdims=True)
        alike = unit @ unit.T
        same = people[:, np.newaxis] == people
        assert alike[same].min() > np.quantile(alike[~same], 0.99)
        follows = np.corrcoef(np.column_stack([score[people], guessed]).T)[0, 1:]
        assert np.abs(np.nan_to_num(follows)).max() < 0.35


class TestShapes:
    def test_what_one_person_does_is_kept_and_what_tells_people_apart_is_not(self, frame: Frame) -> None:
        random = np.random.default_rng(1)
        smile, nose = np.zeros((68, 2)), np.zeros((68, 2))
        smile[48:60, 0], nose[27:36, 1] = np.linspace(-1, 1, 12), 1
        mean = frame.mean_shape[:68]
        people = [
            np.stack([mean + width * nose + opened * smile for opened in random.normal(0, 4, 4)])
            for width in random.normal(0, 4, 60)
        ]
        model = fit_shapes(people, mean)

        def kept(difference: NDArray[np.float64], caution: float) -> float:
            return float((model.kept(difference, caution) * difference).sum() / (difference**2).sum())

        assert kept(smile, 1) > 0.8
        assert kept(nose, 1) < 0.25


class TestReadingPhotos:
    def test_people_labels_and_initials(self, tmp_path: Path) -> None:
        for name in ("Ann/1.jpg", "Ann/2.jpg", "Zoe/1.jpg", "30_1_2_x.jpg", "note.txt"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        photos = photos_of([tmp_path], ("A", "R"))
        assert [photo.path.name for photo in photos] == ["30_1_2_x.jpg", "1.jpg", "2.jpg"]
        assert photos[0].label == (30, 1, 2)
        assert photos[1].person == photos[2].person != photos[0].person
        assert data_digest(photos) == data_digest(photos[::-1]) != data_digest(photos[:1])
        with pytest.raises(ParameterError, match="no photo"):
            photos_of([tmp_path / "none"])

    def test_a_second_run_looks_at_nothing_again(
        self, tmp_path: Path, engine: Engine, astronaut: RgbImage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_image(tmp_path / "photos" / "25_1_0_a.png", astronaut)
        (tmp_path / "photos" / "26_1_0_b.jpg").write_bytes(b"no picture")
        photos = photos_of([tmp_path / "photos"])
        with FaceStore(tmp_path / "faces.sqlite") as store:
            faces, _ = read_faces(photos, store, engine)
        assert len(faces) == 1
        assert faces.labels.tolist() == [[25, 1, 0]]

        def look(_image: RgbImage) -> list[Face]:
            raise AssertionError("looked again")

        monkeypatch.setattr(engine, "detect", look)
        with FaceStore(tmp_path / "faces.sqlite") as store:
            again, _ = read_faces(photos, store, engine)
        assert np.array_equal(again.textures, faces.textures)
