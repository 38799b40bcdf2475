"""CIAGAN's and the siamese network's trainings, a few steps on drawn faces."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("torch", reason="trainings are torch's: install veilmesh with its [gan] extra")

import torch
from numpy.typing import NDArray
from veilmesh_ml.inpainting.canvas import canvas_shape
from veilmesh_ml.inpainting.codes import CODE
from veilmesh_ml.inpainting.conditions import Conditions, visible
from veilmesh_ml.inpainting.order import network_input
from veilmesh_ml.networks.ciagan import CiaganConfig, Critic, Generator
from veilmesh_ml.networks.siamese import Siamese, SiameseConfig
from veilmesh_ml.train.identities import Identities
from veilmesh_ml.train.packed import DONORS, PEERS, Packed, PackedFaces, PackedSurrogates, compress
from veilmesh_ml.train.recipes.ciagan import CiaganTraining, CiaganTrainingConfig
from veilmesh_ml.train.recipes.siamese import SiameseTraining, SiameseTrainingConfig
from veilmesh_ml.train.trainer import Compute
from veilmesh_ml.weights import shipped_bank

CPU = Compute(torch.device("cpu"))
FACES = 32


@pytest.fixture(scope="module")
def packed() -> Packed:
    """Two noisy photos each of 16 people; the last three people are held out."""
    bank = shipped_bank()
    random = np.random.default_rng(1)
    people = np.arange(FACES, dtype=np.int32) // 2
    held_out = people >= 13
    shades = random.integers(60, 200, (FACES // 2, 3))[people]
    noise = random.integers(0, 40, (FACES, 128, 128, 3))
    faces = PackedFaces(
        pictures=[
            compress((shade + each).astype(np.uint8), 90) for shade, each in zip(shades, noise, strict=True)
        ],
        landmarks=np.tile(canvas_shape(bank.frame.mean_shape)[:68], (FACES, 1, 1)).astype(np.float32)
        + random.normal(0, 1, (FACES, 68, 2)).astype(np.float32),
        people=people,
        held_out=held_out,
        labels=np.full((FACES, 3), -1, dtype=np.int16),
        features=random.normal(0, 0.1, (FACES, 128)).astype(np.float32),
        donors=random.integers(0, 3, (FACES, DONORS)).astype(np.uint16),
        peers=np.tile(np.arange(PEERS, dtype=np.int32) * 2, (FACES, 1)),
    )
    surrogates = PackedSurrogates(
        [compress(texture, 85) for texture in bank.textures[:3]],
        bank.shapes[:3],
        bank.frame.mean_shape,
        bank.shape_model,
    )
    return Packed({}, faces, surrogates)


@pytest.fixture(scope="module")
def guide() -> Mapping[str, Any]:
    torch.manual_seed(0)
    tensors: Mapping[str, Any] = Siamese(SiameseConfig()).state_dict()
    return tensors


def _ciagan(packed: Packed, guide: Mapping[str, Any], **settings: Any) -> CiaganTraining:
    torch.manual_seed(0)
    return CiaganTraining(CiaganTrainingConfig(batch=4, **settings), packed, CPU, guide)


class TestNetworks:
    def test_shapes_and_sizes(self) -> None:
        config = CiaganConfig()
        generator, critic, siamese = Generator(config), Critic(config), Siamese(SiameseConfig())
        painted = generator(torch.randn(2, 8, 128, 128), torch.randn(2, CODE))
        assert painted.shape == (2, 3, 128, 128)
        assert critic(torch.cat([painted, torch.zeros(2, 2, 128, 128)], 1)).shape == (2, 1, 8, 8)
        embedding, maps = siamese(painted)
        assert embedding.shape == (2, 128)
        assert [tuple(each.shape[1:]) for each in maps] == [(64, 12, 12), (128, 6, 6), (256, 3, 3)]
        assert sum(p.numel() for p in generator.parameters()) < 6e6

    def test_untrained_it_paints_about_the_prior(self) -> None:
        torch.manual_seed(0)
        seen = torch.zeros(1, 8, 128, 128)
        seen[:, :3], seen[:, 3:4, 40:80, 40:80], seen[:, 5:] = 0.5, 1.0, 0.3
        seen[:, :3] *= 1 - seen[:, 3:4]
        painted = Generator(CiaganConfig())(seen, torch.ones(1, CODE))
        assert (painted[0, :, 40:80, 40:80].mean() - 0.3).abs() < 0.3
        assert (painted[0, :, :30].mean() - 0.5).abs() < 0.3


class TestCiagan:
    def test_it_learns_to_paint_them(self, packed: Packed, guide: Mapping[str, Any]) -> None:
        recipe = _ciagan(packed, guide, learning_rate=2e-3)
        random = np.random.default_rng(0)
        batch = {name: torch.as_tensor(values) for name, values in recipe.batch(random).items()}
        losses = [recipe.step(batch, done) for done in range(12)]
        assert "slope" in losses[0]
        assert "slope" not in losses[1]
        assert float(losses[-1]["pixels"]) < 0.9 * float(losses[0]["pixels"])

    def test_the_generator_never_receives_the_faces_pixels(
        self, packed: Packed, guide: Mapping[str, Any]
    ) -> None:
        recipe = _ciagan(packed, guide)
        painted = []
        for seed in (None, 1):
            drawn = dict(recipe.batch(np.random.default_rng(5)))
            if seed is not None:
                drawn["photo"] = _with_noise(drawn["photo"], drawn["mask"], seed)
            parts = {name: torch.as_tensor(values) for name, values in drawn.items()}
            with torch.no_grad():
                painted.append(recipe.paint(parts))
        assert torch.equal(*painted)

    def test_in_use_it_is_given_the_same(self, packed: Packed, guide: Mapping[str, Any]) -> None:
        recipe = _ciagan(packed, guide)
        drawn = {**recipe.batch(np.random.default_rng(5)), "mirrored": np.zeros(4, dtype=np.bool_)}
        given: list[Any] = []
        hook = recipe.modules["generator"].register_forward_pre_hook(
            lambda _module, inputs: given.append(inputs[0])
        )
        with torch.no_grad():
            recipe.paint({name: torch.as_tensor(values) for name, values in drawn.items()})
        hook.remove()
        for index, trained_with in enumerate(given[0].numpy()):
            photo, mask, lines, prior, features = (
                np.asarray(drawn[name])[index] for name in ("photo", "mask", "lines", "prior", "features")
            )
            used = network_input(Conditions(visible(photo, mask), mask, lines, prior, features))
            assert np.allclose(used, trained_with, atol=1e-6)

    def test_codes_are_of_one_length_and_nobodys(self, packed: Packed, guide: Mapping[str, Any]) -> None:
        recipe = _ciagan(packed, guide)
        drawn = recipe.batch(np.random.default_rng(0))
        assert np.allclose(np.linalg.norm(drawn["code"], axis=1), np.sqrt(CODE), atol=1e-3)
        identities = Identities(packed.require_faces()[0])
        known = identities.code(identities.features)
        apart = np.linalg.norm(drawn["code"][:, np.newaxis] - known, axis=2).min(axis=1)
        assert apart[0] < 1e-3
        assert apart[1:].min() > 1

    def test_a_grid_is_drawn_without_the_trainings_random_numbers(
        self, packed: Packed, guide: Mapping[str, Any]
    ) -> None:
        recipe = _ciagan(packed, guide)
        generator = {"generator": recipe.modules["generator"]}
        with torch.no_grad():
            one, other = recipe.samples(generator), recipe.samples(generator)
        assert one.dtype == np.uint8
        assert one.shape[1] == 6 * 128
        assert np.array_equal(one, other)

    def test_own_codes_over_the_mean_face_and_nobodys_over_donors(
        self, packed: Packed, guide: Mapping[str, Any]
    ) -> None:
        drawn = _ciagan(packed, guide).batch(np.random.default_rng(0))
        features = np.asarray(drawn["features"])
        assert features[0].max() == 0
        assert features[1:].max(axis=(1, 2)).tolist() == [255, 255, 255]
        prior = np.asarray(drawn["prior"]).astype(float)
        detail = np.abs(np.diff(prior.mean(axis=3), axis=2))
        own, *_, nobodys = (detail[index][features[1, :, 1:] > 0].mean() for index in range(4))
        assert own < nobodys  # a mean is smoother

    def test_nobodys_features_stay_as_they_are(self, packed: Packed, guide: Mapping[str, Any]) -> None:
        recipe = _ciagan(packed, guide)
        drawn = {**recipe.batch(np.random.default_rng(5)), "mirrored": np.zeros(4, dtype=np.bool_)}
        with torch.no_grad():
            painted = recipe.paint({name: torch.as_tensor(values) for name, values in drawn.items()}).numpy()
        prior = np.asarray(drawn["prior"]).transpose(0, 3, 1, 2) / 127.5 - 1
        off = np.abs(painted - prior).max(axis=1)
        kept = np.asarray(drawn["features"]) == 255
        assert off[kept].max() < 1e-5
        assert off[1:][~kept[1:]].max() > 0.01


class TestSiamese:
    def test_photos_of_one_person_come_together(self, packed: Packed) -> None:
        config = SiameseTrainingConfig(batch=16, steps=60, guide=0.0)
        torch.manual_seed(0)
        recipe = SiameseTraining(config, packed, CPU)
        random = np.random.default_rng(0)
        losses = []
        for done in range(config.steps):
            batch = {name: torch.as_tensor(values) for name, values in recipe.batch(random).items()}
            losses.append(float(recipe.step(batch, done)["contrastive"]))
        assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])

    def test_half_of_the_pairs_are_of_one_person(self, packed: Packed) -> None:
        recipe = SiameseTraining(SiameseTrainingConfig(batch=32), packed, CPU)
        same = recipe.batch(np.random.default_rng(0))["same"]
        assert same.shape == (16,)
        assert bool(torch.as_tensor(same)[:8].all())


def test_a_config_is_plain() -> None:
    for config in (CiaganTrainingConfig(), SiameseTrainingConfig()):
        assert all(isinstance(value, int | float | str) for value in dataclasses.asdict(config).values())


def _with_noise(photo: Any, mask: Any, seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 255, photo.shape, dtype=np.uint8)
    return np.asarray(np.where(np.asarray(mask)[..., np.newaxis] > 0, noise, photo))
