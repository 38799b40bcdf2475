"""Photos packed for a training: one portrait, cropped and lit in many ways, stands for many people."""

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("dlib")

from veilmesh_ml import Engine, Face, RgbImage, write_image
from veilmesh_ml.errors import ModelError
from veilmesh_ml.expressions import EXPRESSIONS
from veilmesh_ml.inpainting.canvas import canvas_shape
from veilmesh_ml.train import prepare as preparation
from veilmesh_ml.train.packed import PEERS, Packed, decode, encode_packed
from veilmesh_ml.train.photo_folder import FaceStore
from veilmesh_ml.train.prepare import MIN_FACES, MIN_PEOPLE, Selection, fitting_quality, prepare
from veilmesh_ml.weights import shipped_bank

pytestmark = pytest.mark.faces

INITIALS = "ABCDEFGHIJKLMNOPQRST"
PHOTOS_EACH = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, astronaut: RgbImage) -> Path:
    """Two people for each of 20 initials, four photos each; one photo is broken, one shows no face."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("photos")
    for initial in INITIALS:
        for person in ("x", "y"):
            (folder / f"{initial}{person}").mkdir()
            for number in range(PHOTOS_EACH // 2):
                left, top = random.integers(100, 140), random.integers(0, 30)
                cut = astronaut[top : top + 200, left : left + 200]
                lit = np.clip(cut * random.uniform(0.6, 1.3), 0, 255).astype(np.uint8)
                write_image(folder / f"{initial}{person}" / f"{number}.png", lit)
    (folder / "Ax" / "broken.jpg").write_bytes(b"no picture")
    write_image(folder / "Ax" / "wall.png", np.full((200, 200, 3), 90, dtype=np.uint8))
    return folder


@pytest.fixture(scope="module")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "faces.sqlite"


@pytest.fixture(scope="module")
def packed(folder: Path, store_path: Path, engine: Engine) -> Packed:
    selection = Selection(("A", "R"), ("P", "R"))
    with FaceStore(store_path) as store:
        return prepare([folder], selection, store, engine, bank=shipped_bank())


class TestFaces:
    def test_counts(self, packed: Packed) -> None:
        assert packed.description["photos"] == 18 * PHOTOS_EACH + 2
        assert packed.description["broken"] == 1
        assert packed.description["without_face"] == 1
        assert packed.description["faces"] == 18 * PHOTOS_EACH
        assert packed.description["people"] == 36

    def test_people_held_out_are_nobodys_peers(self, packed: Packed) -> None:
        faces, _ = packed.require_faces()
        assert faces.held_out.sum() == 3 * PHOTOS_EACH
        assert faces.peers.shape == (len(faces), PEERS)
        assert not faces.held_out[faces.peers].any()
        for index, peers in enumerate(faces.peers):
            people = faces.people[peers]
            assert len(set(people.tolist())) == PEERS
            assert faces.people[index] not in people

    def test_faces_lie_upright_on_the_canvas(self, packed: Packed) -> None:
        faces, surrogates = packed.require_faces()
        assert decode(faces.pictures).shape == (len(faces), 128, 128, 3)
        wanted = canvas_shape(surrogates.mean_shape)[36:48].mean(axis=0)
        assert np.abs(faces.landmarks[:, 36:48].mean(axis=1) - wanted).max() < 8

    def test_donors_are_the_banks(self, packed: Packed) -> None:
        faces, surrogates = packed.require_faces()
        assert faces.donors.max() < len(surrogates.textures) == shipped_bank().donors
        assert all(len(set(donors.tolist())) == len(donors) for donors in faces.donors)

    def test_a_second_run_looks_at_nothing_again_and_gives_the_same_bytes(
        self, packed: Packed, folder: Path, store_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def look(_image: RgbImage) -> list[Face]:
            raise AssertionError("looked again")

        monkeypatch.setattr(engine, "detect", look)
        stages: list[str] = []
        with FaceStore(store_path) as store:
            again = prepare(
                [folder],
                Selection(("A", "R"), ("P", "R")),
                store,
                engine,
                bank=shipped_bank(),
                progress=lambda stage, _done, _all: stages.append(stage),
            )
        assert encode_packed(again) == encode_packed(packed)
        assert list(dict.fromkeys(stages)) == ["find", "cut", "pack"]

    def test_too_few_people_are_told_with_counts(
        self, folder: Path, store_path: Path, engine: Engine
    ) -> None:
        with (
            FaceStore(store_path) as store,
            pytest.raises(ModelError, match=f"4 people in 10 photos .*{MIN_FACES} of {MIN_PEOPLE}"),
        ):
            prepare([folder], Selection(("A", "B")), store, engine, bank=shipped_bank())

    def test_all_held_out_leaves_nobody(self, folder: Path, store_path: Path, engine: Engine) -> None:
        with FaceStore(store_path) as store, pytest.raises(ModelError, match="not held out"):
            prepare([folder], Selection(("A", "R"), ("B", "R")), store, engine, bank=shipped_bank())


class TestSize:
    def test_the_best_quality_that_fits(self) -> None:
        random = np.random.default_rng(0)
        small = random.integers(0, 255, (20, 16, 16, 3), dtype=np.uint8)
        canvases = np.stack([cv2.resize(each, (128, 128)) for each in small])
        good = fitting_quality(canvases, 10**9)
        smaller = fitting_quality(canvases, 20 * 2000)
        assert smaller < good == 92
        with pytest.raises(ModelError, match="do not fit"):
            fitting_quality(canvases, 20 * 10)


class TestExpressions:
    def test_folders_named_as_classes_are_no_people(self, tmp_path: Path, engine: Engine) -> None:
        for label, name in enumerate(EXPRESSIONS):
            (tmp_path / "fer" / name).mkdir(parents=True)
            write_image(tmp_path / "fer" / name / "1.png", np.full((48, 48, 3), 20 * label, dtype=np.uint8))
        (tmp_path / "fer" / "happy" / "broken.png").write_bytes(b"no picture")
        with FaceStore(tmp_path / "store.sqlite") as store:
            packed = prepare([tmp_path / "fer"], Selection(), store, engine, bank=shipped_bank())
        assert packed.require_expressions().labels.tolist() == list(range(7))
        assert packed.description["expressions"]["broken"] == 1
        with pytest.raises(ModelError, match="no faces"):
            packed.require_faces()

    def test_a_class_that_is_missing(self, tmp_path: Path) -> None:
        (tmp_path / "happy").mkdir()
        write_image(tmp_path / "happy" / "1.png", np.zeros((48, 48, 3), dtype=np.uint8))
        assert preparation.shows_expressions(tmp_path)
        with pytest.raises(ModelError, match="not of all seven"):
            preparation._expressions([tmp_path], lambda *_: None)
