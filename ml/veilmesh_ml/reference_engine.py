"""The reference engine: dlib as it comes, every other engine's yardstick.

HOG frontal detector -> 68 landmarks (ERT) -> 150 x 150 chip -> ResNet encoder, 128 features. The
encoder's forward pass takes about nine tenths of the time (95 ms a face on one core: dlib-bin has no
BLAS).

Threads: the encoder keeps scratch space, so one lock lets callers take turns, and dlib holds Python's own
lock meanwhile. Use processes for parallel work.
"""

import threading

import dlib
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import align_all, check_chips
from veilmesh_ml.face import Box, Face
from veilmesh_ml.face_finder import DETECTOR, FaceFinder
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import ENCODER, LANDMARKS_68, locate


class ReferenceEngine:
    """dlib behind the `Engine` protocol."""

    name = "reference"
    model_digest = ENCODER.sha256
    landmarks_digest = LANDMARKS_68.sha256
    detector = DETECTOR

    def __init__(self) -> None:
        """Load and check the models; about a second.

        Raises:
            ModelError: a model file is missing or is not the pinned one.
        """
        self._finder = FaceFinder()
        self._encoder = dlib.face_recognition_model_v1(str(locate(ENCODER)))
        self._turn = threading.Lock()

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
        return self.encode_chips(align_all(self.align, image, faces))

    def encode_chips(self, chips: NDArray[np.uint8]) -> Features:
        """Return float64 (n, 128), in the chips' order; the lock is free between two chips."""
        check_chips(chips)
        features = np.empty((len(chips), 128))
        for index, chip in enumerate(np.ascontiguousarray(chips)):
            with self._turn:
                features[index] = self._encoder.compute_face_descriptor(chip)
        return features
