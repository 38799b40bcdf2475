"""What computes the two networks, and where."""

import importlib.util
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.engine import Device
from veilmesh_ml.fast.mmod import Mmod
from veilmesh_ml.fast.tiling import Tiling
from veilmesh_ml.image import RgbImage

_NVIDIA_DEVICE = Path("/dev/nvidiactl")  # there where the driver is; torch takes seconds to ask


class Networks(Protocol):
    """Encoder and detector on a device. May be called from several threads."""

    mmod: Mmod

    def encode(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features, (n, 128), of chips, uint8 (n, 150, 150, 3)."""
        ...

    def score(self, image: RgbImage, arrangement: Tiling) -> NDArray[np.float32]:
        """Return the detector's scores, (rows, columns), of a picture tiled so."""
        ...


def load_networks(device: Device, threads: int | None) -> Networks:
    """Load them.

    Raises:
        ModelError: a model file is missing or is not the pinned one.
        DeviceError: `cuda` is asked for, and torch or the GPU is missing.
    """
    if device == "cuda" or (device == "auto" and _gpu_is_likely()):
        from veilmesh_ml.fast.torch_networks import TorchNetworks  # noqa: PLC0415 (torch loads on demand)

        return TorchNetworks("cuda")
    from veilmesh_ml.fast.onnx_networks import OnnxNetworks  # noqa: PLC0415 (so does onnxruntime)

    return OnnxNetworks(threads)


def _gpu_is_likely() -> bool:
    return _NVIDIA_DEVICE.exists() and importlib.util.find_spec("torch") is not None
