"""The networks on onnxruntime."""

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.fast import cache
from veilmesh_ml.fast.dlib_network import read_network
from veilmesh_ml.fast.mmod import TILED, Mmod, scores_in_bands
from veilmesh_ml.fast.resnet import CHIPS, Resnet
from veilmesh_ml.fast.tiling import LEVEL, SIZES, Tiling, shrinking_onnx
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import ENCODER, MMOD, locate
from veilmesh_ml.onnx_session import onnx_session


class OnnxNetworks:
    """Implements `Networks` on the CPU; Python's lock is free while it computes."""

    def __init__(self, threads: int | None = None) -> None:
        """Load the models, converted now or before.

        Args:
            threads: how many work on one call; by default `default_threads`.

        Raises:
            ModelError: a model file is missing or is not the pinned one, or onnxruntime is missing.
        """
        path = locate(ENCODER)
        resnet = cache.converted("resnet", ENCODER.sha256, lambda: Resnet.of(read_network(path)).to_onnx())
        self._encoder = onnx_session(resnet, "the encoder", threads=threads)
        self.mmod = Mmod.of(read_network(locate(MMOD)))
        self._detector = onnx_session(self.mmod.to_onnx(), "the detector", threads=threads, keep_memory=False)
        self._shrinking = onnx_session(shrinking_onnx(), "the pyramid", threads=threads, keep_memory=False)

    def encode(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = self._encoder.run(None, {CHIPS: np.ascontiguousarray(chips)})[0]
        return features

    def score(self, image: RgbImage, arrangement: Tiling) -> NDArray[np.float32]:
        return scores_in_bands(self._tiled(image, arrangement), self._score)

    def _score(self, tiled: NDArray[np.float32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self._detector.run(None, {TILED: np.ascontiguousarray(tiled)})[0][0, 0]
        return scores

    def _tiled(self, image: RgbImage, arrangement: Tiling) -> NDArray[np.float32]:
        """Return the pyramid, float32 (1, 3, height, width), less the mean and zero between the levels."""
        tiled = np.zeros((1, 3, arrangement.height, arrangement.width), np.float32)
        level = (image.astype(np.float32) - np.array(self.mmod.mean, np.float32)).transpose(2, 0, 1)[
            np.newaxis
        ]
        for place in arrangement.levels:
            if level.shape[2:] != (place.height, place.width):
                sizes = np.array([1, 3, place.height, place.width])
                level = self._shrinking.run(None, {LEVEL: level, SIZES: sizes})[0]
            place.cut(tiled)[:] = level
        return tiled
