"""Known originals break one permutation for all, and not ours."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("dlib")

from veilmesh_ml.evaluate.permutation import AverageFace
from veilmesh_ml.evaluate.permutation_attack import attack_permutation
from veilmesh_ml.evaluate.treatments import BASELINES, PermuteAlike

if TYPE_CHECKING:
    from veilmesh_ml import Face, RgbImage

pytestmark = pytest.mark.faces


def test_what_known_originals_give_away(astronaut: "RgbImage", astronaut_faces: "list[Face]") -> None:
    draw = np.random.default_rng(0)
    noisy = [
        np.clip(astronaut + draw.normal(0, 25, astronaut.shape), 0, 255).astype(np.uint8) for _ in range(4)
    ]
    attack = attack_permutation([(image, astronaut_faces[0]) for image in noisy], 6000, (1, 3))
    assert attack.keys_found == 0
    assert attack.key_bits == 256
    assert [known.photos_known for known in attack.one_for_all] == [1, 3]
    assert attack.one_for_all[0].exact.value < 0.2
    assert attack.one_for_all[1].exact.value > 0.95
    for ours in attack.ours:
        assert ours.exact.value == pytest.approx(attack.untouched.exact.value, abs=0.005)


def test_channels_alike_keeps_every_pixels_colour(
    astronaut: "RgbImage", astronaut_faces: "list[Face]"
) -> None:
    output = PermuteAlike(5000).apply(astronaut, astronaut_faces[0], "a")
    colours = [np.sort(image.reshape(-1, 3) @ [65536, 256, 1]) for image in (astronaut, output)]
    assert (colours[0] == colours[1]).all()
    assert 4000 < (output != astronaut).any(axis=2).sum() <= 5000


def test_every_baseline_changes_the_picture_and_repeats_itself(
    astronaut: "RgbImage", astronaut_faces: "list[Face]"
) -> None:
    assert len({treatment.name for treatment in BASELINES}) == len(BASELINES)
    window = astronaut[:240, 120:340]
    face = astronaut_faces[0].moved(-120, 0)
    for treatment in BASELINES:
        once, again = (treatment.apply(window, face, "seed") for _ in range(2))
        assert (once != window).any(), treatment.name
        assert (once == again).all(), treatment.name


def test_distance_to_the_average_face_along_components() -> None:
    flat = np.zeros((3, 64, 64), np.uint8)
    flat[0] += 10
    flat[2] += 20
    flat[1] += 15
    distances = AverageFace(flat).distances(flat)
    assert distances == pytest.approx([5, 0, 5])  # grey levels a pixel
