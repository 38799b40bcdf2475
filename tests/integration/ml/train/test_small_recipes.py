"""What the recipes of PPSA-GAN, the expression classifier and the autoencoder draw, learn and show."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="trainings are torch's: install veilmesh with its [gan] extra")

import torch
from veilmesh_ml.expressions import EXPRESSIONS
from veilmesh_ml.inpainting.canvas import canvas_shape
from veilmesh_ml.surrogate.shape import ShapeModel
from veilmesh_ml.train.packed import (
    DONORS,
    PEERS,
    Packed,
    PackedExpressions,
    PackedFaces,
    PackedSurrogates,
    compress,
)
from veilmesh_ml.train.pictures import from_network, sheet, shrunk, to_network
from veilmesh_ml.train.recipes.autoencoder import AutoencoderRecipe, AutoencoderTraining
from veilmesh_ml.train.recipes.expression import ExpressionRecipe, ExpressionTraining, split
from veilmesh_ml.train.recipes.ppsa import PpsaRecipe, PpsaTraining, training_pictures
from veilmesh_ml.train.trainer import Compute
from veilmesh_ml.weights import shipped_bank

CPU = Compute(torch.device("cpu"))
FACES = 24


@pytest.fixture(scope="module")
def packed() -> Packed:
    """Discs for faces, four of them held out; stripes for expressions, wider ones for higher labels."""
    bank = shipped_bank()
    random = np.random.default_rng(1)
    faces = PackedFaces(
        pictures=[compress(_disc(random.integers(80, 220, 3)), 90) for _ in range(FACES)],
        landmarks=np.tile(canvas_shape(bank.frame.mean_shape)[:68], (FACES, 1, 1)).astype(np.float32),
        people=np.arange(FACES, dtype=np.int32),
        held_out=np.arange(FACES) >= FACES - 4,
        labels=np.full((FACES, 3), -1, dtype=np.int16),
        features=np.zeros((FACES, 128), dtype=np.float32),
        donors=np.zeros((FACES, DONORS), dtype=np.uint16),
        peers=np.zeros((FACES, PEERS), dtype=np.int32),
    )
    surrogates = PackedSurrogates(
        [], bank.shapes, bank.frame.mean_shape, ShapeModel(np.eye(136)[:, :2], np.eye(2), np.eye(2))
    )
    labels = np.tile(np.arange(7, dtype=np.uint8), 12)
    stripes = [compress(_stripes(label, random), 90) for label in labels]
    return Packed({}, faces, surrogates, PackedExpressions(stripes, labels))


def _disc(colour: NDArray[np.integer]) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:128, :128]
    inside = (rows - 67) ** 2 + (columns - 64) ** 2 < 40**2
    return np.where(inside[..., np.newaxis], colour, 30).astype(np.uint8)


def _stripes(label: int, random: np.random.Generator) -> NDArray[np.uint8]:
    rows = (np.arange(48) // (label + 1) % 2) * 200
    noisy = rows[:, np.newaxis] + random.integers(0, 40, (48, 48))
    return noisy.astype(np.uint8)


def _losses(recipe: Any, steps: int) -> list[Mapping[str, float]]:
    random = np.random.default_rng(0)
    return [
        {name: float(loss) for name, loss in recipe.step(recipe.batch(random), done).items()}
        for done in range(steps)
    ]


class TestPictures:
    def test_there_and_back(self) -> None:
        pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
        assert np.array_equal(from_network(to_network(pictures)), pictures)

    def test_grey_comes_back_with_three_equal_channels(self) -> None:
        grey = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
        assert np.array_equal(from_network(to_network(grey)), np.repeat(grey[..., np.newaxis], 3, axis=3))

    def test_sheet_fills_rows_and_leaves_the_rest_black(self) -> None:
        pictures = np.arange(1, 4, dtype=np.uint8).reshape(3, 1, 1, 1).repeat(3, axis=3)
        assert sheet(pictures, columns=2)[..., 0].tolist() == [[1, 2], [3, 0]]

    def test_shrunk_averages_blocks(self) -> None:
        picture = np.array([[0, 10], [20, 30]], dtype=np.uint8)[np.newaxis, ..., np.newaxis].repeat(3, axis=3)
        assert shrunk(picture, 1).tolist() == [[[[15, 15, 15]]]]


class TestPpsa:
    def test_a_face_of_the_mean_shape_fills_the_frame(self, packed: Packed) -> None:
        """The disc spans 80 of 128 px of the canvas and about 57 of 64 in the frame."""
        faces, surrogates = packed.require_faces()
        (whole,) = training_pictures(faces, np.array([0]), 32, surrogates.mean_shape)
        (framed,) = training_pictures(faces, np.array([0]), 64, surrogates.mean_shape)
        assert whole.shape == (32, 32, 3)
        assert framed.shape == (64, 64, 3)
        assert (whole[16].max(axis=1) > 60).mean() == pytest.approx(80 / 128, abs=0.05)
        assert (framed[32].max(axis=1) > 60).mean() == pytest.approx(80 / 0.56 / 160, abs=0.05)

    def test_people_held_out_teach_nothing(self, packed: Packed) -> None:
        recipe = PpsaRecipe(PpsaTraining(size_px=32), packed, CPU)
        assert len(recipe._faces) == FACES - 4

    @pytest.mark.parametrize("size_px", [32, 64])
    def test_learns_and_shows(self, packed: Packed, size_px: int) -> None:
        torch.manual_seed(0)
        recipe = PpsaRecipe(PpsaTraining(size_px=size_px, batch=8), packed, CPU)
        losses = _losses(recipe, 10)  # a critic needs more than three
        assert losses[-1]["critic"] < losses[0]["critic"]
        shown = recipe.samples({"generator": recipe.modules["generator"].eval()})
        assert shown.shape == (8 * size_px, 8 * size_px, 3)

    def test_labels_are_smoothed_by_up_to_a_tenth(self, packed: Packed) -> None:
        batch = PpsaRecipe(PpsaTraining(size_px=32), packed, CPU).batch(np.random.default_rng(0))
        assert batch["labels"].shape == (2, 128)
        assert 0 <= batch["labels"].min() < batch["labels"].max() <= 0.1


class TestExpression:
    def test_a_picture_under_two_labels_teaches_neither(self) -> None:
        pictures = [b"a", b"b", b"a", b"c", b"c", b"d"]
        taught, held_out = split(pictures, np.array([0, 1, 2, 3, 3, 4], dtype=np.uint8))
        assert sorted([*taught, *held_out]) == [1, 3, 5]

    def test_a_tenth_is_held_out_whatever_the_order(self) -> None:
        pictures = [str(number).encode() for number in range(2000)]
        _, held_out = split(pictures, np.zeros(2000, dtype=np.uint8))
        _, reversed_out = split(pictures[::-1], np.zeros(2000, dtype=np.uint8))
        assert 160 < len(held_out) < 250
        assert {pictures[index] for index in held_out} == {pictures[::-1][index] for index in reversed_out}

    def test_learns_and_shows(self, packed: Packed) -> None:
        recipe = ExpressionRecipe(ExpressionTraining(batch=16, steps=12), packed, CPU)
        losses = _losses(recipe, 12)
        assert np.mean([each["loss"] for each in losses[-3:]]) < losses[0]["loss"]
        shown = recipe.samples({"classifier": recipe.modules["classifier"]})
        assert shown.shape == (len(EXPRESSIONS) * 48, 12 * 48, 3)

    def test_faces_and_labels_are_mixed_alike(self, packed: Packed) -> None:
        batch = ExpressionRecipe(ExpressionTraining(), packed, CPU).batch(np.random.default_rng(0))
        assert batch["faces"].shape == (64, 1, 48, 48)
        assert batch["faces"].abs().max() <= 1
        assert torch.allclose(batch["labels"].sum(1), torch.ones(64))


class TestAutoencoder:
    def test_learns_and_shows(self, packed: Packed) -> None:
        recipe = AutoencoderRecipe(AutoencoderTraining(batch=8, steps=8), packed, CPU)
        losses = _losses(recipe, 8)
        assert losses[-1]["absolute_error"] < losses[0]["absolute_error"]
        shown = recipe.samples({"autoencoder": recipe.modules["autoencoder"].eval()})
        assert shown.shape == (64, 8 * 64, 3)
