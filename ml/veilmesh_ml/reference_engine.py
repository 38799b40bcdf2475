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
from veilmesh_ml.dlib_engine import DlibEngine
from veilmesh_ml.engine import check_chips
from veilmesh_ml.face import Face
from veilmesh_ml.face_finder import DETECTOR
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import ENCODER, locate


class ReferenceEngine(DlibEngine):
    """dlib behind the `Engine` protocol."""

    name = "reference"
    detector = DETECTOR

    def __init__(self) -> None:
        """Load and check the models; about a second.

        Raises:
            ModelError: a model file is missing or is not the pinned one.
        """
        super().__init__()
        self._encoder = dlib.face_recognition_model_v1(str(locate(ENCODER)))
        self._turn = threading.Lock()

    def detect(self, image: RgbImage, *, thorough: bool = False) -> list[Face]:
        """Find faces, surest first; see `face_finder` for how."""
        return self._finder.detect(image, thorough=thorough)

    def encode_chips(self, chips: NDArray[np.uint8]) -> Features:
        """Return float64 (n, 128), in the chips' order; the lock is free between two chips."""
        check_chips(chips)
        features = np.empty((len(chips), 128))
        for index, chip in enumerate(np.ascontiguousarray(chips)):
            with self._turn:
                features[index] = self._encoder.compute_face_descriptor(chip)
        return features
