"""Make a style-based GAN of very few channels, untrained, and record what torch makes of it.

    python tests/vectors/stylegan/generate.py

Of the size and the ports that the shipped one has, so that all that runs the shipped one runs this one. Needs
torch, onnx and onnxscript; everything is seeded.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from veilmesh_ml.networks.stylegan import Mapping, StyleganConfig, Synthesis
from veilmesh_ml.train.export import Port, export

HERE: Final = Path(__file__).parent
CONFIG: Final = StyleganConfig(channels=(4, 4, 4, 4, 4), mapping_layers=1)
FACES: Final = 2


def main() -> None:
    """Write both networks, inputs and outputs."""
    torch.manual_seed(3)
    mapping, synthesis = Mapping(CONFIG), Synthesis(CONFIG)
    with torch.no_grad():
        mapping.mean_style.normal_()
        for convolution in synthesis.convolutions:
            convolution.noise.fill_(0.3)
    draw = np.random.default_rng(5)
    inputs: dict[str, dict[str, Any]] = {
        "stylegan_mapping": {
            "latents": _halved(draw.standard_normal((FACES, CONFIG.latent))),
            "truncation": np.array([[0.75], [1.0]], dtype=np.float32),
        },
        "stylegan": {
            "styles": _halved(draw.standard_normal((FACES, CONFIG.styles, CONFIG.latent))),
            "noise": _halved(draw.standard_normal((FACES, CONFIG.noise))),
        },
    }
    networks: tuple[Any, ...] = (mapping, synthesis)
    for network, (name, given), output in zip(networks, inputs.items(), ("styles", "faces"), strict=True):
        ports = tuple(Port(key, torch.from_numpy(value)) for key, value in given.items())
        exported = export(network, ports, (output,), f"{name}.safetensors", {"model": name})
        (HERE / f"{name}.safetensors").write_bytes(exported.weights)
        (HERE / f"{name}.onnx").write_bytes(exported.graph)
        with torch.no_grad():
            made = network(*map(torch.from_numpy, given.values())).numpy()
        halves = {key: value.astype(np.float16) for key, value in {**given, "output": made}.items()}
        np.savez_compressed(HERE / f"{name}.npz", **halves)


def _halved(values: Any) -> Any:
    """As the file keeps them."""
    return values.astype(np.float16).astype(np.float32)


if __name__ == "__main__":
    main()
