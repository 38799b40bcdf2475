"""Small models: the best checkpoint by what each judge measures, and what ships of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="trainings are torch's: install veilmesh with its [gan] extra")
pytest.importorskip("cv2")

import torch
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.inpainting.canvas import canvas_shape
from veilmesh_ml.networks.autoencoder import Autoencoder, AutoencoderConfig
from veilmesh_ml.networks.expression import ExpressionClassifier
from veilmesh_ml.networks.ppsa import Generator, PpsaConfig
from veilmesh_ml.surrogate.shape import ShapeModel
from veilmesh_ml.train.checkpoints import write_tensors
from veilmesh_ml.train.choose import Judge, load_judge, score_checkpoints, write_choice
from veilmesh_ml.train.packed import (
    DONORS,
    PEERS,
    Packed,
    PackedExpressions,
    PackedFaces,
    PackedSurrogates,
    compress,
)
from veilmesh_ml.train.ship import put_together, trained, write
from veilmesh_ml.weights import shipped_bank

FACES = 40
DESCRIPTION = {
    "faces": FACES,
    "people": FACES,
    "photos": FACES,
    "initials": "A-R",
    "held_out": "P-R",
    "held_out_faces": 20,
    "photos_sha256": "ab" * 32,
    "bank_sha256": "cd" * 32,
}


@pytest.fixture(scope="module")
def packed() -> Packed:
    """Grey noise for faces, half of them held out; light and dark pictures for two expressions."""
    bank, random = shipped_bank(), np.random.default_rng(2)

    def noise(lightness: int, side: int) -> bytes:
        drawn = random.integers(0, 50, (side, side, 1)) + lightness
        return compress(drawn.astype(np.uint8).repeat(3, axis=2), 60)

    faces = PackedFaces(
        pictures=[noise(int(lightness), 128) for lightness in random.integers(40, 190, FACES)],
        landmarks=np.tile(canvas_shape(bank.frame.mean_shape)[:68], (FACES, 1, 1)).astype(np.float32),
        people=np.arange(FACES, dtype=np.int32),
        held_out=np.arange(FACES) % 2 == 0,
        labels=np.full((FACES, 3), -1, dtype=np.int16),
        features=np.zeros((FACES, 128), dtype=np.float32),
        donors=np.zeros((FACES, DONORS), dtype=np.uint16),
        peers=np.zeros((FACES, PEERS), dtype=np.int32),
    )
    model = ShapeModel(np.eye(136)[:, :2], np.eye(2), np.eye(2))
    surrogates = PackedSurrogates([], bank.shapes, bank.frame.mean_shape, model)
    labels = np.tile(np.array([3, 5], dtype=np.uint8), 30)
    expressions = PackedExpressions([noise(190 if label == 3 else 10, 48) for label in labels], labels)
    return Packed(DESCRIPTION, faces, surrogates, expressions, digest="ef" * 32)


@pytest.fixture(scope="module")
def instruments() -> Instruments:
    return Instruments.load(())


def a_run(folder: Path, module: str, networks: list[Any], packed: Packed, config: dict[str, Any]) -> Path:
    """A run whose checkpoints are these networks."""
    for number, network in enumerate(networks, start=1):
        tensors = {f"{module}.{name}": tensor for name, tensor in network.state_dict().items()}
        write_tensors(folder / "averages" / f"{10 * number:07d}.safetensors", tensors, {})
    begun = {
        "event": "begun",
        "config": {"seed": 0, "batch": 8, "steps": 20, "learning_rate": 1e-3, **config},
        "parameters": {module: 12345},
        "torch": "2.11.0",
        "device": "cpu",
        "data_sha256": packed.digest,
    }
    (folder / "log.jsonl").write_text(json.dumps(begun) + "\n")
    return folder


def lightness_classifier(*, right: bool) -> ExpressionClassifier:
    """Says happy of light faces and sad of dark ones, or the other way round."""
    classifier = ExpressionClassifier()
    with torch.no_grad():
        for parameter in classifier.parameters():
            parameter.zero_()
        for module in classifier.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.fill_(1)
                module.running_mean.zero_()
                module.running_var.fill_(1)
        classifier.begin[0].weight[0, 0, 1, 1] = 1
        for each in classifier.modules_in_turn:
            each.short_cut[1].weight[0, 0] = 1
        classifier.end[0][0].weight[0, 0, 1, 1] = 1
        classifier.describe[0].weight[0, :9] = 1
        classifier.classify.weight[3, 0] = 1 if right else -1
        classifier.classify.bias[:] = torch.tensor([-9.0, -9, -9, 0, -9, 0, -9])
        classifier.classify.bias[5] = 1 if right else -1
    return classifier


def _best(judge: Judge, run: Path) -> int:
    scored = score_checkpoints(run, judge)
    best = judge.best(scored)
    write_choice(run, best)
    return best.step


def test_the_classifier_that_recognises_most(
    tmp_path: Path, packed: Packed, instruments: Instruments
) -> None:
    networks = [lightness_classifier(right=right) for right in (False, True, False)]
    run = a_run(tmp_path, "classifier", networks, packed, {})
    judge = load_judge("expression", packed, instruments)
    assert _best(judge, run) == 20
    first, second, _ = score_checkpoints(run, judge)
    assert first.scores["accuracy"] < 0.2
    assert second.scores["accuracy"] > 0.8
    assert second.scores["pictures"] > 0


def test_the_autoencoder_that_loses_least(tmp_path: Path, packed: Packed, instruments: Instruments) -> None:
    """Its last layer's bias decides: all black, or the middle."""
    networks = []
    for bias in (-9.0, 0.0, 9.0):
        network = Autoencoder(AutoencoderConfig())
        with torch.no_grad():
            network.decode[-2].weight.zero_()
            network.decode[-2].bias.fill_(bias)
        networks.append(network)
    run = a_run(tmp_path, "autoencoder", networks, packed, {"code": 64})
    assert _best(load_judge("autoencoder", packed, instruments), run) == 20


def test_the_generator_that_draws_nearest(tmp_path: Path, packed: Packed, instruments: Instruments) -> None:
    """Flat white, which is one face, or the noise of a generator that has learnt nothing."""
    networks = []
    for bias in (9.0, 0.0):
        torch.manual_seed(4)
        generator = Generator(PpsaConfig(64))
        with torch.no_grad():
            generator.finish[-2].bias.fill_(bias)
        networks.append(generator)
    run = a_run(tmp_path, "generator", networks, packed, {"size_px": 64})
    judge = load_judge("ppsa", packed, instruments)
    best = _best(judge, run)
    white, noise = score_checkpoints(run, judge)
    nearer = min((white, noise), key=lambda one: one.scores["frechet"])
    assert white.scores["frechet"] != pytest.approx(noise.scores["frechet"], rel=0.05)
    assert best == nearer.step
    assert white.scores["recall"] == 0
    assert noise.scores["faces"] == FACES // 2


@pytest.mark.parametrize(
    ("model", "module", "network", "shape"),
    [
        ("expression", "classifier", ExpressionClassifier(), (2, 1, 48, 48)),
        ("autoencoder", "autoencoder", Autoencoder(AutoencoderConfig()), (2, 3, 64, 64)),
        ("ppsa", "generator", Generator(PpsaConfig(64)), (2, 128)),
    ],
)
def test_what_ships_runs_and_has_a_card(  # noqa: PLR0917 (one row a model)
    model: str,
    module: str,
    network: Any,
    shape: tuple[int, ...],
    tmp_path: Path,
    packed: Packed,
    instruments: Instruments,
) -> None:
    pytest.importorskip("onnxscript", reason="an export needs onnx and onnxscript")
    import onnxruntime

    run = a_run(tmp_path / "run", module, [network], packed, {"code": 64, "size_px": 64})
    _best(load_judge(model, packed, instruments), run)
    shipment = put_together(model, trained(run, packed, "for research"))
    write(shipment, tmp_path / "weights")
    session = onnxruntime.InferenceSession(tmp_path / "weights" / f"{model}.onnx")
    given: NDArray[np.float32] = np.zeros(shape, dtype=np.float32)
    assert len(session.run(None, {session.get_inputs()[0].name: given})[0]) == 2
    card = (tmp_path / "weights" / f"{model}.md").read_text()
    assert "for research" in card
    assert "Not to be used to" in card
    assert "{" not in card
    assert f"[{model}]" in (tmp_path / "weights" / "weights.toml").read_text()
