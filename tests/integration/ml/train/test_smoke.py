"""Two minutes of training by the commands that people type: the losses fall.

The faces are the bank's donors, who are nobody, before grounds of one colour.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="trainings are torch's: install veilmesh with its [gan] extra")

import torch
from numpy.typing import NDArray
from veilmesh_ml.inpainting.canvas import CANVAS_PX, canvas_shape
from veilmesh_ml.inpainting.drawing import filled
from veilmesh_ml.inpainting.smooth_warp import warp_picture
from veilmesh_ml.networks.siamese import Siamese, SiameseConfig
from veilmesh_ml.surrogate.points import OUTLINE, with_forehead
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.packed import (
    DONORS,
    PEERS,
    Packed,
    PackedFaces,
    PackedSurrogates,
    compress,
    encode_packed,
    read_packed,
)
from veilmesh_ml.train.recipes.ciagan import CiaganTraining, CiaganTrainingConfig
from veilmesh_ml.train.trainer import Compute
from veilmesh_ml.weights import shipped_bank

PEOPLE, PHOTOS_EACH, OFFERED = 40, 2, 16
SIAMESE_STEPS = 60
CIAGAN_STEPS = 120


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed file of 40 people, the last four held out."""
    bank, random = shipped_bank(), np.random.default_rng(7)
    people = np.repeat(np.arange(PEOPLE, dtype=np.int32), PHOTOS_EACH)
    shapes = canvas_shape(bank.frame.mean_shape)[:68] + random.normal(0, 1.0, (len(people), 68, 2))
    features = random.normal(0, 0.1, (PEOPLE, 128))[people] + random.normal(0, 0.02, (len(people), 128))
    faces = PackedFaces(
        pictures=[
            compress(_portrait(bank.textures[person], shape, bank.frame.mean_shape, random), 80)
            for person, shape in zip(people, shapes, strict=True)
        ],
        landmarks=shapes.astype(np.float32),
        people=people,
        held_out=people >= PEOPLE - 4,
        labels=np.full((len(people), 3), -1, dtype=np.int16),
        features=features.astype(np.float32),
        donors=random.integers(0, OFFERED, (len(people), DONORS)).astype(np.uint16),
        peers=np.stack([random.permutation(PEOPLE - 4)[:PEERS] * PHOTOS_EACH for _ in people]).astype(
            np.int32
        ),
    )
    surrogates = PackedSurrogates(
        [compress(texture, 85) for texture in bank.textures[-OFFERED:]],
        bank.shapes[-OFFERED:],
        bank.frame.mean_shape,
        bank.shape_model,
    )
    path = tmp_path_factory.mktemp("smoke") / "faces.npz"
    path.write_bytes(encode_packed(Packed({}, faces, surrogates)))
    return path


def _portrait(
    texture: NDArray[np.uint8],
    shape: NDArray[np.float64],
    mean_shape: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    points = with_forehead(shape)
    face = warp_picture(texture, points, mean_shape, CANVAS_PX)
    inside = filled(points[OUTLINE])[..., np.newaxis] / 255
    ground = random.integers(30, 220, 3)
    return np.rint(face * inside + ground * (1 - inside)).astype(np.uint8)


def _train(data: Path, out: Path, model: str, *arguments: str) -> None:
    """Train in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "veilmesh_ml.train", model, "--data", data, "--out", out, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=600,
    )
    assert list(out.glob("grids/*.png")), "no grid was drawn"


def _averages(run: Path, steps: int) -> Path:
    return run / "averages" / f"{steps:07d}.safetensors"


def _losses(data: Path, siamese: Path, generator: Path) -> dict[str, float]:
    """Return the losses of this generator on one batch, the same whatever the generator."""
    guide = read_module(siamese, "siamese", Siamese(SiameseConfig())).state_dict()
    recipe = CiaganTraining(
        CiaganTrainingConfig(), read_packed(data), Compute(torch.device("cpu")), siamese=guide
    )
    read_module(generator, "generator", recipe.modules["generator"])
    drawn = recipe.batch(np.random.default_rng(3))
    batch = {name: torch.as_tensor(values) for name, values in drawn.items()}
    return {name: float(loss) for name, loss in recipe.step(batch, 1).items()}


def test_two_minutes_of_training(data: Path, tmp_path: Path) -> None:
    """What one step makes of the generator is compared with what all steps do, not what noisy batches say."""
    _train(data, tmp_path / "siamese", "siamese", "--set", f"steps={SIAMESE_STEPS}")
    siamese, run = _averages(tmp_path / "siamese", SIAMESE_STEPS), tmp_path / "ciagan"
    settings = "--with", str(siamese), "--set", "batch=4", "--set", "learning_rate=1e-3"
    _train(data, run, "ciagan", *settings, "--set", "steps=1")
    _train(data, run, "ciagan", *settings, "--set", f"steps={CIAGAN_STEPS}", "--resume")
    first, last = (_losses(data, siamese, _averages(run, steps)) for steps in (1, CIAGAN_STEPS))
    assert last["pixels"] < 0.97 * first["pixels"]
    assert last["maps"] < 0.95 * first["maps"]
    assert last["colours"] < 0.95 * first["colours"]
