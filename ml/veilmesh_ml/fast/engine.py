"""The fast engine: what the reference engine does, with dlib's encoder and MMOD on faster machinery.

Detection by HOG, landmarks and chips are the very same code (`face_finder`). The encoder's features differ
from dlib's by less than 1e-6, so both engines go by one `model_digest` and may compare with each other.

Threads: callers run side by side; onnxruntime sets Python's lock free.
"""

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Device, check_chips
from veilmesh_ml.face import Box, Face
from veilmesh_ml.face_finder import DETECTOR, FaceFinder
from veilmesh_ml.fast.mmod import Detection
from veilmesh_ml.fast.networks import load_networks
from veilmesh_ml.fast.tiling import tiling
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import ENCODER, LANDMARKS_68

BATCH = 32  # chips; more gain nothing and cost memory


class FastEngine:
    """dlib's networks on onnxruntime or torch, behind the `Engine` protocol."""

    name = "fast"
    model_digest = ENCODER.sha256
    landmarks_digest = LANDMARKS_68.sha256
    detector = DETECTOR

    def __init__(self, *, device: Device = "auto", threads: int | None = None) -> None:
        """Load the models; see `load_engine`."""
        self._finder = FaceFinder()
        self._networks = load_networks(device, threads)

    def detect(self, image: RgbImage, *, thorough: bool = False) -> list[Face]:
        """Find faces, surest first; see `face_finder` for how."""
        return self._finder.detect(image, thorough=thorough)

    def face_in(self, image: RgbImage, box: Box) -> Face:
        """Return the face that somebody marked, with the landmarks found in there; its confidence is 0.

        Raises:
            RegionError: the box is empty, or reaches out of the picture.
        """
        return self._finder.face_in(image, box)

    def align(self, image: RgbImage, face: Face) -> RgbImage:
        """Cut the face out, turned upright: uint8 (150, 150, 3) RGB, black outside the picture."""
        return self._finder.align(image, face)

    def encode(self, image: RgbImage, faces: list[Face]) -> Features:
        """Return float64 (n, 128), in the faces' order."""
        return self.encode_chips(self._finder.align_all(image, faces))

    def encode_chips(self, chips: NDArray[np.uint8]) -> Features:
        """Return float64 (n, 128), in the chips' order, computed in batches of `BATCH`."""
        check_chips(chips)
        features = np.empty((len(chips), 128))
        for start in range(0, len(chips), BATCH):
            features[start : start + BATCH] = self._networks.encode(chips[start : start + BATCH])
        return features

    def detect_mmod(self, image: RgbImage, floor: float = 0.0) -> list[Detection]:
        """Return what dlib's MMOD detector finds, surest first; slower than HOG, and less easily misled.

        Args:
            image: uint8 (height, width, 3) RGB.
            floor: confidences must be higher; dlib's own is 0.
        """
        height, width, _ = image.shape
        arrangement = tiling(height, width)
        scores = self._networks.score(image, arrangement)
        return self._networks.mmod.detections(scores, arrangement, floor)
