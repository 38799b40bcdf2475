"""Attackers who learn: they undo what is a linear map away, and name nobody where nothing is left."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from veilmesh_ml.evaluate import parrot
from veilmesh_ml.evaluate.reidentification import FaceSet, reidentify
from veilmesh_ml.evaluate.small_cnn import CROP_PX, SmallCnn, Training, _cosine_slope, train_small_cnn
from veilmesh_ml.evaluate.trials import held_out

PEOPLE, WIDTH = 90, 12


class _World:
    """People as points; an output is a turned, stretched original, or noise."""

    def __init__(self, *, hides: bool) -> None:
        self.draw = np.random.default_rng(1)
        self.map = self.draw.standard_normal((WIDTH, WIDTH))
        self.hides = hides

    def photos(self, people: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        originals = centres[people] + 0.15 * self.draw.standard_normal((len(people), WIDTH))
        outputs = self.draw.standard_normal(originals.shape) if self.hides else originals @ self.map
        return originals, outputs

    def learning(self) -> parrot.Learning:
        people = np.repeat(np.arange(PEOPLE), 3)
        originals, outputs = self.photos(people, self.draw.standard_normal((PEOPLE, WIDTH)))
        return parrot.Learning(
            outputs=FaceSet(outputs, people, np.arange(len(people))),
            crops=np.zeros((len(people), CROP_PX, CROP_PX, 3), np.uint8),
            originals=originals,
            held_out=np.array(held_out([str(person) for person in people])),
        )


@pytest.mark.parametrize("hides", [False, True])
def test_a_linear_map_undoes_a_linear_map_and_nothing_else(hides: bool) -> None:
    world = _World(hides=hides)
    of_outputs, of_originals = parrot.learn_linear_map(world.learning())
    centres, people = world.draw.standard_normal((PEOPLE, WIDTH)), np.arange(PEOPLE)
    gallery, _ = world.photos(people, centres)
    _, outputs = world.photos(people, centres)
    searched = FaceSet(of_originals(gallery), people, people)
    found = reidentify(FaceSet(of_outputs(outputs), people, people + PEOPLE), searched, searched)
    assert found.rank1 is not None
    assert found.rank1.value < 0.1 if hides else found.rank1.value > 0.9


@pytest.mark.parametrize("hides", [False, True])
def test_a_metric_learnt_on_outputs_tells_people_apart_where_they_show(hides: bool) -> None:
    world, learning = _World(hides=hides), _World(hides=hides).learning()
    metric = parrot.learn_metric(learning.outputs.features, learning.outputs.people, learning.held_out)
    centres, people = world.draw.standard_normal((PEOPLE, WIDTH)), np.arange(PEOPLE)
    _, mine = world.photos(people, centres)
    _, theirs = world.photos(people, centres)
    searched = FaceSet(metric(mine), people, people)
    found = reidentify(FaceSet(metric(theirs), people, people + PEOPLE), searched, searched)
    assert found.rank1 is not None
    assert found.rank1.value < 0.1 if hides else found.rank1.value > 0.9


@pytest.mark.parametrize("hides", [False, True])
def test_labelled_outputs_name_the_people_who_show(hides: bool) -> None:
    draw, people = np.random.default_rng(3), np.repeat(np.arange(6), 8)
    features = draw.standard_normal((48, 4)) + (0 if hides else 6 * np.eye(6)[people][:, :4])
    crops = draw.integers(0, 255, (48, CROP_PX, CROP_PX, 3)).astype(np.uint8)
    named = parrot.name_known_people(features, crops, people)
    assert named.trials == 48
    assert named.value < 0.5 if hides else named.value > 0.7


def test_the_target_is_the_mean_of_the_others() -> None:
    features = np.array([[1.0], [3.0], [5.0], [10.0], [20.0]])
    others = parrot.means_of_other_photos(features, np.array([7, 7, 7, 2, 2]))
    assert others.ravel().tolist() == [4, 3, 2, 20, 10]


def test_the_networks_slopes_are_those_of_its_loss() -> None:
    draw = np.random.default_rng(0)
    network = SmallCnn((3, 4, 5), 6, draw)
    for each in network.parameters:
        each[...] = draw.standard_normal(each.shape) * 0.5
    x = draw.standard_normal((2, CROP_PX, CROP_PX, 3)).astype(np.float32)
    targets = parrot.unit(draw.standard_normal((2, 6))).astype(np.float32)

    def loss() -> float:
        y = network.forward(x)[0].astype(np.float64)
        return float((1 - (parrot.unit(y) * targets).sum(axis=1)).mean())

    y, kept = network.forward(x)
    slopes = network.gradients(_cosine_slope(y, targets), kept)
    for parameter, slope in zip(network.parameters, slopes, strict=True):
        # along the slope itself: single entries may sit on a rectifier's edge
        step = np.float32(2e-3) * slope / np.float32(np.linalg.norm(slope))
        before = parameter.copy()
        parameter[...] = before + step
        above = loss()
        parameter[...] = before - step
        below = loss()
        parameter[...] = before
        assert (above - below) / 4e-3 == pytest.approx(np.linalg.norm(slope), rel=0.1)


def test_the_network_learns_what_colour_tells() -> None:
    draw = np.random.default_rng(0)
    classes = np.arange(96) % 3
    crops = draw.integers(0, 120, (96, CROP_PX, CROP_PX, 3))
    crops[np.arange(96), :, :, classes] += 100
    kept = np.arange(96) % 4 == 0
    targets = np.eye(3, dtype=np.float32)[classes]
    told: list[float] = []
    training = Training(channels=(4, 8, 8), epochs=25, learning_rate=5e-3)
    network = train_small_cnn(
        crops.astype(np.uint8), targets, kept, training, lambda _epoch, cosine: told.append(cosine)
    )
    assert (network(crops[kept].astype(np.uint8)).argmax(axis=1) == classes[kept]).mean() > 0.9
    assert len(told) == 25
