"""What the style-based GAN's training draws, learns and shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="trainings are torch's: install veilmesh with its [gan] extra")

import torch
from PIL import Image
from veilmesh_ml.synthesis.frame import CROP, FACE_PX
from veilmesh_ml.train.augmentation import DRAWS, Augmentation
from veilmesh_ml.train.checkpoints import read_tensors
from veilmesh_ml.train.packed import Packed, PackedFaces, PackedSurrogates, compress, decode
from veilmesh_ml.train.recipes.stylegan import StyleganRecipe, StyleganTraining, training_faces
from veilmesh_ml.train.trainer import Compute, Run, train

CPU = Compute(torch.device("cpu"))
FACES = 16
NEVER = 1.0  # a random number at which nothing happens


@pytest.fixture(scope="module")
def packed() -> Packed:
    """Canvases of one grey each, the last four held out."""
    nothing = np.zeros((FACES, 1), dtype=np.int32)
    faces = PackedFaces(
        pictures=[compress(np.full((128, 128, 3), 40 + 10 * index, np.uint8), 95) for index in range(FACES)],
        landmarks=np.zeros((FACES, 68, 2), dtype=np.float32),
        people=np.arange(FACES, dtype=np.int32),
        held_out=np.arange(FACES) >= FACES - 4,
        labels=nothing.astype(np.int16),
        features=nothing.astype(np.float32),
        donors=nothing.astype(np.uint16),
        peers=nothing,
    )
    empty = np.zeros((0, 2))
    return Packed({}, faces, PackedSurrogates([], empty, empty, None))  # type: ignore[arg-type]  # not read


def test_a_face_is_the_canvas_middle_made_smaller() -> None:
    canvas = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    content = compress(canvas, 90)
    (face,) = training_faces([content])
    assert face.shape == (FACE_PX, FACE_PX, 3)
    left, top, right, bottom = CROP
    whole = Image.fromarray(decode([content])[0, top:bottom, left:right])
    assert np.array_equal(face, np.asarray(whole.resize((FACE_PX, FACE_PX), Image.Resampling.BOX)))


class TestAugmentation:
    def test_leaves_pictures_alone_at_first(self) -> None:
        pictures = torch.rand(4, 3, 8, 8) * 2 - 1
        changed = Augmentation(100)(pictures, torch.rand(4, DRAWS))
        assert torch.allclose(changed, pictures, atol=1e-6)

    @pytest.mark.parametrize(
        "what", range(6), ids=["mirror", "shift", "light", "contrast", "colour", "cover"]
    )
    def test_each_change_changes(self, what: int) -> None:
        augmentation, pictures = Augmentation(100), torch.rand(2, 3, 16, 16) * 2 - 1
        augmentation.strength.fill_(0.5)
        draws = torch.full((2, DRAWS), NEVER)
        draws[:, what] = 0
        draws[:, 6] = 0
        draws[:, 7:] = 0.9
        assert not torch.allclose(augmentation(pictures, draws), pictures, atol=1e-3)

    def test_a_shift_mirrors_the_edge(self) -> None:
        augmentation = Augmentation(100)
        augmentation.strength.fill_(0.5)
        draws = torch.full((1, DRAWS), NEVER)
        draws[:, 1], draws[:, 7], draws[:, 8] = 0, 0.5, 1.0
        row = torch.arange(16.0).expand(1, 3, 16, 16)
        assert augmentation(row, draws)[0, 0, 0].tolist() == [*range(2, 16), 14, 13]

    def test_mirrors(self) -> None:
        augmentation = Augmentation(100)
        augmentation.strength.fill_(0.5)
        draws = torch.full((1, DRAWS), NEVER)
        draws[:, 0] = draws[:, 6] = 0
        pictures = torch.rand(1, 3, 8, 8)
        assert torch.allclose(augmentation(pictures, draws), pictures.flip(3), atol=1e-6)

    def test_can_be_descended_through(self) -> None:
        augmentation, pictures = Augmentation(100), torch.rand(2, 3, 8, 8, requires_grad=True)
        augmentation.strength.fill_(0.8)
        augmentation(pictures, torch.rand(2, DRAWS)).sum().backward()
        assert pictures.grad is not None
        assert pictures.grad.abs().sum() > 0

    def test_follows_the_critic(self) -> None:
        """A critic sure of every real photo makes it stronger, one in doubt weaker; never past the limit."""
        augmentation = Augmentation(100)
        for _ in range(20):
            augmentation.follow(torch.ones(10))
        assert float(augmentation.strength) == pytest.approx(0.8)
        augmentation.follow(torch.tensor([1.0, -1.0]))
        assert float(augmentation.strength) == pytest.approx(0.78)


class TestRecipe:
    def test_people_held_out_teach_nothing(self, packed: Packed) -> None:
        recipe = StyleganRecipe(StyleganTraining(batch=4), packed, CPU)
        assert len(recipe._faces) == FACES - 4

    def test_a_batch_travels_as_small_arrays_and_is_drawn_alike(self, packed: Packed) -> None:
        recipe = StyleganRecipe(StyleganTraining(batch=64), packed, CPU)
        one, other = (recipe.batch(np.random.default_rng(3)) for _ in range(2))
        assert one["faces"].dtype == np.uint8
        assert all(np.array_equal(one[name], other[name]) for name in one)
        assert one["crossing"].min() >= 1
        assert one["crossing"].max() == 10  # no mixing, for about a tenth

    def test_learns_and_shows(self, packed: Packed) -> None:
        """Flat pictures are told from noise within a few steps."""
        recipe = StyleganRecipe(StyleganTraining(batch=8, penalty_every=4), packed, CPU)
        losses = _losses(recipe, 12)
        assert losses[-1]["critic"] < losses[0]["critic"]
        assert "slope" in losses[0]
        assert "slope" not in losses[1]
        shown = recipe.samples({name: recipe.modules[name] for name in ("mapping", "synthesis")})
        assert shown.shape == (8 * 64, 8 * 64, 3)
        assert float(recipe.modules["mapping"].mean_style.abs().sum()) > 0

    def test_goes_on_bit_for_bit(self, packed: Packed, tmp_path: Path) -> None:
        def trained(folder: Path, steps: int, *, resume: bool) -> Mapping[str, Any]:
            config = StyleganTraining(batch=4, steps=steps, penalty_every=2)
            train(
                lambda config, compute: StyleganRecipe(config, packed, compute),
                config,
                Run(folder, device="cpu", resume=resume),
            )
            tensors: Mapping[str, Any] = read_tensors(folder / "state.safetensors")[0]
            return tensors

        trained(tmp_path / "halves", 1, resume=False)
        in_halves = trained(tmp_path / "halves", 3, resume=True)
        whole = trained(tmp_path / "whole", 3, resume=False)
        assert in_halves.keys() == whole.keys()
        assert all(torch.equal(in_halves[name], whole[name]) for name in whole)
        assert float(whole["module.augmentation.strength"]) > 0


def _losses(recipe: Any, steps: int) -> list[Mapping[str, float]]:
    random = np.random.default_rng(0)
    return [
        {
            name: float(loss)
            for name, loss in recipe.step(
                {name: torch.as_tensor(values) for name, values in recipe.batch(random).items()}, done
            ).items()
        }
        for done in range(steps)
    ]
