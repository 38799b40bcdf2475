"""The networks in torch, for a GPU.

torch is looked for when the class is made: only who asks for CUDA needs it.
"""

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.errors import DeviceError
from veilmesh_ml.fast.dlib_network import Convolution, read_network
from veilmesh_ml.fast.mmod import Mmod, scores_in_bands
from veilmesh_ml.fast.resnet import Block, Resnet
from veilmesh_ml.fast.tiling import Tiling
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import ENCODER, MMOD, locate


class TorchNetworks:
    """Implements `Networks`."""

    def __init__(self, device: str) -> None:
        """Load the models.

        Args:
            device: a name that torch knows, such as `cuda` or `cpu`.

        Raises:
            ModelError: a model file is missing or is not the pinned one.
            DeviceError: torch is not installed, or finds no such device.
        """
        if importlib.util.find_spec("torch") is None:
            raise DeviceError(
                f"the device {device} needs torch, which is not installed",
                hint="install veilmesh with its [gan] extra, or use the device cpu",
            )
        import torch  # noqa: PLC0415 (2 GB; see the module)

        if device == "cuda" and not torch.cuda.is_available():
            raise DeviceError(
                "torch finds no GPU that it can use",
                hint="check the driver with nvidia-smi, or use the device cpu",
            )
        self._torch = torch
        self._device = torch.device(device)
        self._encoder = _Encoder(torch, Resnet.of(read_network(locate(ENCODER))), self._device)
        self.mmod = Mmod.of(read_network(locate(MMOD)))
        self._detector = _Detector(torch, self.mmod, self._device)

    def encode(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        torch = self._torch
        # TensorFloat-32 would round to 10 bits: 1e-3 off dlib's features.
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            batch = torch.from_numpy(np.ascontiguousarray(chips)).to(self._device)
            features: NDArray[np.float32] = self._encoder(batch).cpu().numpy()
        return features

    def score(self, image: RgbImage, arrangement: Tiling) -> NDArray[np.float32]:
        torch = self._torch
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            tiled = self._detector.tiled(torch.from_numpy(image).to(self._device), arrangement)
            return scores_in_bands(tiled, self._score)

    def _score(self, tiled: Any) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self._detector(tiled).cpu().numpy()
        return scores


class _Encoder:
    """`resnet` in torch, operation by operation."""

    def __init__(self, torch: Any, resnet: Resnet, device: Any) -> None:
        self._functional = torch.nn.functional
        self._stem = _convolution(torch, resnet.stem, device)
        self._blocks = [
            (block, _convolution(torch, block.first, device), _convolution(torch, block.second, device))
            for block in resnet.blocks
        ]
        self._projection = torch.from_numpy(np.array(resnet.projection)).to(device)

    def __call__(self, chips: Any) -> Any:
        """uint8 (n, 150, 150, 3) -> float32 (n, 128)."""
        functional = self._functional
        places = functional.relu(self._stem(chips.permute(0, 3, 1, 2).float()))
        places = functional.max_pool2d(places, 3, 2)
        for block, first, second in self._blocks:
            places = functional.relu(self._add(places, second(functional.relu(first(places))), block))
        return places.mean((2, 3)) @ self._projection

    def _add(self, places: Any, added: Any, block: Block) -> Any:
        if not block.halves:
            return added + places
        functional = self._functional
        places = functional.avg_pool2d(places, 2)
        px = places.shape[3] - added.shape[3]
        channels = added.shape[1] - places.shape[1]
        return functional.pad(added, (0, px, 0, px)) + functional.pad(places, (0, 0, 0, 0, 0, channels))


class _Detector:
    """`mmod` in torch."""

    def __init__(self, torch: Any, mmod: Mmod, device: Any) -> None:
        self._torch = torch
        self._mean = torch.tensor(mmod.mean, device=device)
        self._convolutions = [_convolution(torch, each, device) for each in mmod.convolutions]

    def tiled(self, image: Any, arrangement: Tiling) -> Any:
        """Return the pyramid of a picture, uint8 (h, w, 3): float32 (1, 3, height, width)."""
        tiled = self._mean.new_zeros((1, 3, arrangement.height, arrangement.width))
        level = (image.float() - self._mean).permute(2, 0, 1)[None]
        for place in arrangement.levels:
            if level.shape[2:] != (place.height, place.width):
                level = self._torch.nn.functional.interpolate(
                    level, (place.height, place.width), mode="bilinear", align_corners=True
                )
            place.cut(tiled)[:] = level
        return tiled

    def __call__(self, tiled: Any) -> Any:
        """float32 (1, 3, height, width) -> (rows, columns)."""
        *others, last = self._convolutions
        places = tiled
        for convolution in others:
            places = self._torch.nn.functional.relu(convolution(places))
        return last(places)[0, 0]


def _convolution(torch: Any, convolution: Convolution, device: Any) -> Any:
    """Return a function (n, in, height, width) -> (n, out, height, width)."""
    weights = torch.from_numpy(convolution.weights.astype(np.float32)).to(device)
    biases = torch.from_numpy(convolution.biases.astype(np.float32)).to(device)
    return lambda places: torch.nn.functional.conv2d(
        places, weights, biases, stride=convolution.stride, padding=convolution.padding
    )
