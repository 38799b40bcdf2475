"""Reads which of seven expressions a face shows, by the network that ships as `expression`."""

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.exported import ExportedNetwork
from veilmesh_ml.expressions import EXPRESSIONS, FEATURES, FIVE_POINTS, SIDE_PX
from veilmesh_ml.face import Landmarks
from veilmesh_ml.five_points import five_points
from veilmesh_ml.image import RgbImage
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.surrogate.points import fit_similarity


class ExpressionReader:
    """May be called from several threads."""

    def __init__(self, threads: int | None = None) -> None:
        """Load the network; threads as for `ExportedNetwork`.

        Raises:
            ModelError: it is missing, altered or of another config, or onnxruntime is missing.
        """
        self._network = ExportedNetwork("expression", threads)
        self._network.require_shapes([(1, SIDE_PX, SIDE_PX)], [(len(EXPRESSIONS),), (FEATURES,)])

    @property
    def digest(self) -> str:
        return self._network.digest

    def read(self, chips: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return how likely each of `EXPRESSIONS` is: (n, 7), rows of sum 1, for chips uint8 (n, 48, 48)."""
        return self.read_and_describe(chips)[0]

    def read_and_describe(self, chips: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what `read` does, and the classifier's features, (n, FEATURES): what it judges by."""
        given = chips[:, np.newaxis].astype(np.float32) / np.float32(127.5) - 1
        logits, features = (output.astype(np.float64) for output in self._network.every_output(given))
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(likely / likely.sum(axis=1, keepdims=True)), features


def expression_chip(image: RgbImage, landmarks: Landmarks | NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a face as the classifier sees it, grey uint8 (48, 48).

    Args:
        image: uint8 (height, width, 3) RGB.
        landmarks: (68, 2) in it.
    """
    points = five_points(landmarks)
    chip = cut_out(image, fit_similarity(points, np.array(FIVE_POINTS)), SIDE_PX)
    return np.asarray(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
