"""Record what torch makes of networks, so that onnxruntime is held to it where there is no torch.

    python tests/vectors/networks/generate.py tiny
    python tests/vectors/networks/generate.py expression

`tiny` is a network made here, of every kind of layer that the shipped ones have: its exported files and its
outputs are written. `tiny-ppsa` and `tiny-expression` take and give what `ppsa` (but for shorter latents) and
`expression` do: their files. Any other name is a network in `veilmesh_ml/weights`: its outputs. Needs torch,
and for tiny ones onnx and onnxscript. Everything is seeded.
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
from veilmesh_ml.inpainting.codes import CODE
from veilmesh_ml.inpainting.conditions import SEEN
from veilmesh_ml.networks import ciagan
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


class TinyFaces(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Smooth pictures from latents of 6 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.draw = nn.Linear(6, 3 * 8 * 8)

    def forward(self, latents: Tensor) -> Tensor:
        """[batch, 6] -> [batch, 3, 64, 64]."""
        small = self.draw(latents).reshape(-1, 3, 8, 8)
        return nn.functional.interpolate(small, scale_factor=8, mode="bilinear").tanh()


class TinyExpressions(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Judges the lightness of four quarters."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.AvgPool2d(24)
        self.describe = nn.Linear(4, 512)
        self.classify = nn.Linear(512, 7)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, 1, 48, 48] -> [batch, 7], [batch, 512]."""
        features = self.describe(self.look(faces).flatten(1)).relu()
        return self.classify(features), features


def tiny() -> Tiny:
    """Return the network, its averages and the weight of its attention as after a training."""
    network = Tiny()
    with torch.no_grad():
        network.look[3].share.fill_(0.7)
        network.look[1].running_mean.normal_(0, 0.2)
        network.look[1].running_var.uniform_(0.5, 2)
    return network


# How each tiny network is made, its inputs and its outputs' names.
TINY: Final[Mapping[str, tuple[Callable[[], Any], Callable[[np.random.Generator], dict[str, Any]], Any]]] = {
    "tiny": (
        tiny,
        lambda draw: {
            "faces": draw.uniform(-1, 1, (FACES, 3, 8, 8)),
            "code": draw.standard_normal((FACES, 5)),
        },
        ("grown", "middle"),
    ),
    "tiny-ppsa": (TinyFaces, lambda draw: {"latents": draw.standard_normal((FACES, 6))}, ("faces",)),
    "tiny-expression": (
        TinyExpressions,
        lambda draw: {"faces": draw.uniform(-1, 1, (FACES, 1, 48, 48))},
        ("logits", "features"),
    ),
}
# How each shipped network is made, and its inputs.
SHIPPED: Final[Mapping[str, tuple[Callable[[], Any], Callable[[np.random.Generator], dict[str, Any]]]]] = {
    "expression": (
        DescribingClassifier,
        lambda draw: {"faces": draw.uniform(-1, 1, (FACES, 1, 48, 48))},
    ),
    "ppsa": (
        lambda: Generator(PpsaConfig(64)),
        lambda draw: {"latents": draw.standard_normal((FACES, 128))},
    ),
    "autoencoder": (
        lambda: Autoencoder(AutoencoderConfig()),
        lambda draw: {"faces": draw.uniform(-1, 1, (FACES, 3, 64, 64))},
    ),
    "ciagan": (  # one canvas, of squares: its pixels are many
        lambda: ciagan.Generator(ciagan.CiaganConfig()),
        lambda draw: {
            "seen": draw.uniform(-1, 1, (1, SEEN, 16, 16)).repeat(8, 2).repeat(8, 3),
            "code": draw.standard_normal((1, CODE)),
        },
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
    if name in TINY:
        make_tiny, draw_inputs, outputs = TINY[name]
        torch.manual_seed(1)
        network = make_tiny()
        inputs = draw_inputs(draw)
        ports = tuple(
            Port(key, torch.from_numpy(value.astype(np.float32)[:2])) for key, value in inputs.items()
        )
        exported = export(network, ports, outputs, f"{name}.safetensors", {"model": name})
        (HERE / f"{name}.safetensors").write_bytes(exported.weights)
        (HERE / f"{name}.onnx").write_bytes(exported.graph)
        if name == "tiny":
            record(name, exported.weights, network, inputs)
        return
    make, draw_inputs = SHIPPED[name]
    weights = read_weights(name)
    network = make()
    network.eval()
    network.load_state_dict({key: tensor.float() for key, tensor in load(weights).items()}, strict=False)
    record(name, weights, network, draw_inputs(draw))


if __name__ == "__main__":
    main(sys.argv[1])
