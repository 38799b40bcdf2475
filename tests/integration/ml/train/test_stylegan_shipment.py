"""The style-based GAN's best checkpoint, and what ships of it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="trainings are torch's: install veilmesh with its [gan] extra")
pytest.importorskip("cv2")

import torch
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.networks.stylegan import Mapping, StyleganConfig, Synthesis
from veilmesh_ml.synthesis.style_gan import COARSE, FINE, LATENT, MIDDLE, NOISE, STYLES
from veilmesh_ml.train.checkpoints import write_tensors
from veilmesh_ml.train.choose import load_judge, score_checkpoints, write_choice
from veilmesh_ml.train.packed import DONORS, PEERS, Packed, PackedFaces, PackedSurrogates, compress
from veilmesh_ml.train.recipes.stylegan import _COARSE, StyleganTraining
from veilmesh_ml.train.ship import put_together, trained, write

FACES = 32
DESCRIPTION = {
    **dict.fromkeys(("faces", "people", "photos", "held_out_faces"), FACES),
    "initials": "A-R",
    "held_out": "P-R",
    "photos_sha256": "ab" * 32,
}


@pytest.fixture(scope="module")
def packed() -> Packed:
    """Dark noise, all of it held out."""
    random = np.random.default_rng(2)
    faces = PackedFaces(
        pictures=[compress(random.integers(0, 60, (128, 128, 3), dtype=np.uint8), 60) for _ in range(FACES)],
        landmarks=np.zeros((FACES, 68, 2), dtype=np.float32),
        people=np.arange(FACES, dtype=np.int32),
        held_out=np.ones(FACES, dtype=np.bool_),
        labels=np.full((FACES, 3), -1, dtype=np.int16),
        features=np.zeros((FACES, 128), dtype=np.float32),
        donors=np.zeros((FACES, DONORS), dtype=np.uint16),
        peers=np.zeros((FACES, PEERS), dtype=np.int32),
    )
    empty = np.zeros((0, 2))
    surrogates = PackedSurrogates([], empty, empty, None)  # type: ignore[arg-type]  # not read
    return Packed(DESCRIPTION, faces, surrogates, digest="ef" * 32)


@pytest.fixture(scope="module")
def run(packed: Packed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints, of networks that have learnt nothing, the second painting all white."""
    folder = tmp_path_factory.mktemp("run")
    shape = StyleganConfig()
    for step, bias in ((10, 0.0), (20, 9.0)):
        torch.manual_seed(1)
        mapping, synthesis = Mapping(shape), Synthesis(shape)
        with torch.no_grad():
            synthesis.to_rgb[-1].bias.fill_(bias)
        tensors: dict[str, Any] = {
            f"{name}.{key}": tensor
            for name, network in (("mapping", mapping), ("synthesis", synthesis))
            for key, tensor in network.state_dict().items()
        }
        write_tensors(folder / "averages" / f"{step:07d}.safetensors", tensors, {})
    begun = {
        "event": "begun",
        "config": dataclasses.asdict(StyleganTraining()),
        "parameters": {"mapping": 1, "synthesis": 2},
        "torch": "2.11.0",
        "device": "cpu",
        "data_sha256": packed.digest,
    }
    (folder / "log.jsonl").write_text(json.dumps(begun) + "\n")
    judge = load_judge("stylegan", packed, Instruments.load(()))
    write_choice(folder, judge.best(score_checkpoints(folder, judge)))
    return folder


def test_the_one_that_draws_nearest_is_chosen(run: Path, packed: Packed) -> None:
    judge = load_judge("stylegan", packed, Instruments.load(()))
    noise, white = score_checkpoints(run, judge)
    assert noise.scores["frechet"] != pytest.approx(white.scores["frechet"], rel=0.01)
    assert judge.best([noise, white]) == min((noise, white), key=lambda one: one.scores["frechet"])
    assert white.scores["found"] == 0
    assert noise.scores["faces"] == FACES


def test_sizes_without_torch_are_the_networks() -> None:
    shape = StyleganConfig()
    assert (shape.latent, shape.styles, shape.noise) == (LATENT, STYLES, NOISE)
    sides = [*shape.convolutions_px, shape.size_px]
    assert [max(sides[band]) for band in (COARSE, MIDDLE, FINE)] == [8, 32, 64]
    assert COARSE.stop == _COARSE


@pytest.mark.filterwarnings("ignore:# The axis name:UserWarning")  # both inputs are of one batch
def test_what_ships_draws_faces_without_torch(
    run: Path, packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript", reason="an export needs onnx and onnxscript")
    from veilmesh_ml import weights
    from veilmesh_ml.synthesis.style_gan import StyleGan, face_random, noise

    for model in ("stylegan", "stylegan_mapping"):
        write(put_together(model, trained(run, packed, "for research")), tmp_path)
    monkeypatch.setattr(weights, "files", lambda _package: tmp_path)
    gan, random = StyleGan(threads=1), face_random(0, 0)
    styles = gan.styles(random, 1.0)
    assert gan.faces(styles[np.newaxis], noise(random)[np.newaxis]).shape == (1, 64, 64, 3)
    card = (tmp_path / "stylegan.md").read_text()
    assert "for research" in card
    assert "Not to be used to" in card
    assert (tmp_path / "stylegan.jsonl").read_text() == (run / "log.jsonl").read_text()
