"""Drawn faces that are kept for later, and `synthesize variations`, by a GAN that draws blots."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

from veilmesh_ml import Engine, RgbImage
from veilmesh_ml.errors import ModelError
from veilmesh_ml.image import write_image
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.synthesis.drawn import LEAST
from veilmesh_ml.synthesis.frame import FACE_PX, mean_points, onto_picture
from veilmesh_ml.synthesis.onlooker import features_of
from veilmesh_ml.synthesis.projection import Projector
from veilmesh_ml.synthesis.style_gan import Faces, Noise, StyleGan, Styles
from veilmesh_ml.synthesis.synthesize import vary_drawn, vary_photo
from veilmesh_ml.synthesis.variations import SAME_PERSON
from veilmesh_ml.train.drawn import draw
from veilmesh_ml.weights import shipped_bank

from tests.integration.ml.synthesis.blots import ship_blots, ship_drawn

pytestmark = pytest.mark.faces

NOBODY_ELSE = np.full((1, 128), 9.0, dtype=np.float32)
COUNT = LEAST + 8
BLOTS = 3  # of the faces drawn


class Portraits(StyleGan):
    """The tiny GAN, but for what it paints: the portrait in other light, and a blot now and then."""

    portrait: RgbImage

    def faces(self, styles: Styles, noise: Noise) -> Faces:
        made = super().faces(styles, noise)
        for number in range(BLOTS, len(made)):
            made[number] = np.clip(self.portrait * (0.7 + 0.004 * number), 0, 255)
        return made


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "weights").mkdir()
    return ship_blots(tmp_path / "weights", monkeypatch)


@pytest.fixture
def gan(shipped: Path, engine: Engine, astronaut: RgbImage) -> Portraits:  # noqa: ARG001 (put in place)
    onto = onto_picture(engine.detect(astronaut)[0].landmarks, shipped_bank().frame.mean_shape)
    painter = Portraits(threads=1)
    painter.portrait = cut_out(astronaut, onto, FACE_PX)
    return painter


def quiet(_done: int, _all: int) -> None:
    """No progress."""


def test_what_is_no_face_is_left_out(gan: Portraits, engine: Engine) -> None:
    bank = shipped_bank()
    made = draw(gan, engine, bank, NOBODY_ELSE, count=COUNT, seed=0, progress=quiet)
    # drawn 64 at a time, the first of each are blots
    assert (made.without_a_face, made.like_somebody, len(made.faces)) == (2 * BLOTS, 0, COUNT - 2 * BLOTS)
    assert made.faces.numbers[0] == BLOTS
    off = made.faces.landmarks - mean_points(bank.frame.mean_shape)[:68]
    assert np.abs(off).mean() < 3
    seen = features_of(engine, gan.portrait[np.newaxis])
    assert np.linalg.norm(made.faces.features - seen, axis=1).max() < 0.4


def test_who_is_like_somebody_of_the_training_is_left_out(gan: Portraits, engine: Engine) -> None:
    people = features_of(engine, gan.portrait[np.newaxis]).astype(np.float32)
    with pytest.raises(ModelError, match="0 can be used"):
        draw(gan, engine, shipped_bank(), people, count=COUNT, seed=0, progress=quiet)


@pytest.mark.usefixtures("shipped")
def test_variations_of_a_seed(tmp_path: Path) -> None:
    one, other = (vary_drawn(tmp_path / name, 1, 2, quiet) for name in ("one", "other"))
    assert len(one.pictures) == 2
    assert [path.read_bytes() for path in one.pictures] == [path.read_bytes() for path in other.pictures]
    assert max(one.document["dissimilarities"]) <= SAME_PERSON


def test_variations_of_a_photo_say_how_near_it_comes(
    gan: Portraits, engine: Engine, tmp_path: Path, astronaut: RgbImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blots are not like a person: nothing is kept, and that is said."""
    made = draw(gan, engine, shipped_bank(), NOBODY_ELSE, count=COUNT, seed=0, progress=quiet)
    ship_drawn(tmp_path / "weights", made.faces)
    monkeypatch.setattr(Projector.project, "__defaults__", (1,))
    write_image(tmp_path / "photo.png", astronaut)
    varied = vary_photo(tmp_path / "out", tmp_path / "photo.png", 1, quiet)
    assert varied.pictures == []
    assert varied.sheet is None
    assert varied.document["projection_dissimilarity"] > SAME_PERSON
    assert (tmp_path / "out" / "projection.png").exists()
