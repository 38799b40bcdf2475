"""Record what torch makes of networks, so that onnxruntime is held to it where there is no torch.

    python tests/vectors/networks/generate.py tiny
    python tests/vectors/networks/generate.py expression

`tiny` is a network made here, of every kind of layer that the shipped ones have: its exported files and its
outputs. Any other name is a network in `veilmesh_ml/weights`: its outputs. Needs torch, and for `tiny` onnx
and onnxscript. Everything is seeded.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor, nn
from veilmesh_ml.networks.autoencoder import Autoencoder, AutoencoderConfig
from veilmesh_ml.networks.expression import DescribingClassifier
from veilmesh_ml.networks.layers import SelfAttention
from veilmesh_ml.networks.ppsa import Generator, PpsaConfig
from veilmesh_ml.train.export import Port, export
from veilmesh_ml.weights import read_weights

HERE: Final = Path(__file__).parent
FACES: Final = 3  # recorded of each


class Tiny(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Two inputs, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=2, padding=1), nn.BatchNorm2d(8), nn.LeakyReLU(0.2), SelfAttention(8, 2)
        )
        self.scale = nn.Linear(5, 8)
        self.grow = nn.Sequential(nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1), nn.Tanh())

    def forward(self, faces: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, 3, 8, 8], [batch, 5] -> the same, [batch, 8]."""
        places = self.look(faces) * self.scale(code)[:, :, None, None].sigmoid()
        return self.grow(places), places.mean((2, 3))


def tiny() -> Tiny:
    """Return the network, its averages and the weight of its attention as after a training."""
    torch.manual_seed(1)
    network = Tiny()
    network.eval()
    with torch.no_grad():
        network.look[3].share.fill_(0.7)
        network.look[1].running_mean.normal_(0, 0.2)
        network.look[1].running_var.uniform_(0.5, 2)
    return network


# How each shipped network is made, and what one input of it looks like.
SHIPPED: Final[Mapping[str, tuple[Callable[[], Any], Callable[[np.random.Generator], Any]]]] = {
    "expression": (DescribingClassifier, lambda draw: draw.uniform(-1, 1, (FACES, 1, 48, 48))),
    "ppsa": (lambda: Generator(PpsaConfig(64)), lambda draw: draw.standard_normal((FACES, 128))),
    "autoencoder": (
        lambda: Autoencoder(AutoencoderConfig()),
        lambda draw: draw.uniform(-1, 1, (FACES, 3, 64, 64)),
    ),
}


def record(name: str, weights: bytes, network: Any, inputs: Mapping[str, Any]) -> None:
    """Write NAME.npz: inputs, outputs, and the digest of the weights that made them."""
    given = {key: np.asarray(value, dtype=np.float32) for key, value in inputs.items()}
    with torch.no_grad():
        outputs = network(*map(torch.from_numpy, given.values()))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    arrays: dict[str, Any] = {f"input {number}": value for number, value in enumerate(given.values())}
    arrays |= {f"output {number}": output.numpy() for number, output in enumerate(outputs)}
    np.savez_compressed(HERE / f"{name}.npz", sha256=hashlib.sha256(weights).hexdigest(), **arrays)


def main(name: str) -> None:
    """Record one network."""
    draw = np.random.default_rng(7)
    if name == "tiny":
        network: Any = tiny()
        inputs = {"faces": draw.uniform(-1, 1, (FACES, 3, 8, 8)), "code": draw.standard_normal((FACES, 5))}
        ports = tuple(
            Port(key, torch.from_numpy(value.astype(np.float32)[:2])) for key, value in inputs.items()
        )
        exported = export(network, ports, ("grown", "middle"), "tiny.safetensors", {"model": "tiny"})
        (HERE / "tiny.safetensors").write_bytes(exported.weights)
        (HERE / "tiny.onnx").write_bytes(exported.graph)
        record(name, exported.weights, network, inputs)
        return
    make, draw_input = SHIPPED[name]
    weights = read_weights(name)
    network = make().eval()
    network.load_state_dict({key: tensor.float() for key, tensor in load(weights).items()}, strict=False)
    record(name, weights, network, {"input": draw_input(draw)})


if __name__ == "__main__":
    main(sys.argv[1])
