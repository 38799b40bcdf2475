"""Record a small CIAGAN as it ships, and what torch makes of it, for tests where there is no torch.

    python tests/vectors/ciagan/generate.py

Its layers are those of the shipped one, with eight channels each and random weights. Needs torch, onnx and
onnxscript. Everything is seeded.
"""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from veilmesh_ml.inpainting.codes import CODE
from veilmesh_ml.inpainting.conditions import SEEN
from veilmesh_ml.networks.ciagan import CiaganConfig, Generator
from veilmesh_ml.train.export import Port, export

HERE: Final = Path(__file__).parent
EVERY: Final = 8  # pixels recorded: every eighth, either way


def inputs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the network is given: [2, 8, 128, 128] and codes [2, 128]."""
    random = np.random.default_rng(1)
    codes = random.standard_normal((2, CODE))
    lengths = np.linalg.norm(codes, axis=1, keepdims=True)
    return random.uniform(-1, 1, (2, SEEN, 128, 128)).astype(np.float32), (
        codes / lengths * CODE**0.5
    ).astype(np.float32)


def main() -> None:
    """Write the three files."""
    torch.manual_seed(1)
    network = Generator(CiaganConfig(generator=(8, 8, 8, 8, 8))).eval()
    seen, codes = (torch.from_numpy(array) for array in inputs())
    ports = Port("seen", seen), Port("code", codes)
    exported = export(network, ports, ("painted",), "ciagan.safetensors", {"model": "ciagan"})
    with torch.no_grad():
        painted = network(seen, codes)[:, :, ::EVERY, ::EVERY].numpy()
    (HERE / "ciagan.safetensors").write_bytes(exported.weights)
    (HERE / "ciagan.onnx").write_bytes(exported.graph)
    np.save(HERE / "painted.npy", painted)


if __name__ == "__main__":
    main()
