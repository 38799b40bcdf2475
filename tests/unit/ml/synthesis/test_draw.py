"""Which drawn faces are kept for later, and what is noted of them."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

from veilmesh_ml import Engine, Face, RgbImage
from veilmesh_ml.errors import ModelError
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.synthesis.drawn import LEAST
from veilmesh_ml.synthesis.frame import FACE_PX, mean_points, onto_picture
from veilmesh_ml.synthesis.onlooker import features_of
from veilmesh_ml.synthesis.style_gan import Faces, Noise, StyleGan, Styles
from veilmesh_ml.train.drawn import draw
from veilmesh_ml.weights import shipped_bank

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
def gan(shipped: object, astronaut: RgbImage, astronaut_faces: list[Face]) -> Portraits:  # noqa: ARG001
    onto = onto_picture(astronaut_faces[0].landmarks, shipped_bank().frame.mean_shape)
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
