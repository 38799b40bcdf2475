"""Exporting: one file of weights that torch and the graph share, and nothing of this machine in it."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="trainings are torch's: install veilmesh with its [gan] extra")
pytest.importorskip("onnxscript", reason="an export needs onnx and onnxscript")

import onnxruntime
import torch
from safetensors.torch import load
from veilmesh_ml.errors import TrainingError
from veilmesh_ml.train.export import Exported, Port, export


class Layers(torch.nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    def __init__(self, *, fixed: bool = False) -> None:
        super().__init__()
        self.look = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4))
        self.judge = torch.nn.Linear(4 * 6 * 6, 2)
        self.fixed = torch.arange(100.0) if fixed else None

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        judged = self.judge(self.look(faces).flatten(1))
        return judged if self.fixed is None else judged + self.fixed.sin()[:2]


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def network() -> Layers:
    torch.manual_seed(2)
    layers = Layers()
    layers.eval()
    return layers


@pytest.fixture(scope="module")
def exported(network: Layers, faces: torch.Tensor) -> Exported:
    return export(network, (Port("faces", faces),), ("judged",), "layers.safetensors", {"model": "layers"})


def test_matrices_are_halved_and_vectors_are_not(exported: Exported) -> None:
    tensors = load(exported.weights)
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {
        "look.0.weight": torch.float16,
        "look.0.bias": torch.float32,
        "look.1.weight": torch.float32,
        "look.1.bias": torch.float32,
        "look.1.running_mean": torch.float32,
        "look.1.running_var": torch.float32,
        "judge.weight": torch.float16,
        "judge.bias": torch.float32,
    }
    assert b'"format": "veilmesh/network/1", "model": "layers"'.replace(b'"', b'\\"') in exported.weights


def test_torch_and_onnxruntime_agree(
    exported: Exported, network: Layers, faces: torch.Tensor, tmp_path: Path
) -> None:
    """Both from the files: rounded weights, a batch of another size than the example's."""
    many = torch.cat([faces, faces.flip(3), faces[:1]])
    again = Layers().eval()
    again.load_state_dict(
        {name: tensor.float() for name, tensor in load(exported.weights).items()}, strict=False
    )
    (tmp_path / "layers.safetensors").write_bytes(exported.weights)
    (tmp_path / "layers.onnx").write_bytes(exported.graph)
    session = onnxruntime.InferenceSession(tmp_path / "layers.onnx")
    (found,) = session.run(None, {"faces": many.numpy()})
    with torch.no_grad():
        assert np.abs(found - again(many).numpy()).max() < 1e-5
        assert torch.equal(again(many), network(many))


def test_the_graph_holds_no_weights_and_no_paths(exported: Exported) -> None:
    assert len(exported.graph) < 4000
    assert b"layers.safetensors" in exported.graph
    for told in (b".py", b"site-packages", str(Path.cwd()).encode()):
        assert told not in exported.graph


def test_equal_weights_give_equal_files(exported: Exported, network: Layers, faces: torch.Tensor) -> None:
    again = export(network, (Port("faces", faces),), ("judged",), "layers.safetensors", {"model": "layers"})
    assert (again.weights, again.graph) == (exported.weights, exported.graph)


def test_numbers_that_are_no_weights_are_refused(faces: torch.Tensor) -> None:
    with pytest.raises(TrainingError, match="which is no weight of the network"):
        export(Layers(fixed=True), (Port("faces", faces),), ("judged",), "layers.safetensors", {})
