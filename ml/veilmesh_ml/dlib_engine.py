"""What both engines of dlib's networks have in common: faces and chips come from `face_finder`.

They differ in how they look for faces, and in what computes the encoder.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import align_all
from veilmesh_ml.face import Box, Face
from veilmesh_ml.face_finder import FaceFinder
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import ENCODER, LANDMARKS_68


class DlibEngine(ABC):
    """Implements `Engine` but for `name`, `detector`, `detect` and `encode_chips`."""

    model_digest = ENCODER.sha256
    landmarks_digest = LANDMARKS_68.sha256

    def __init__(self) -> None:
        """Load and check the landmark model.

        Raises:
            ModelError: it is missing or is not the pinned one.
        """
        self._finder = FaceFinder()

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

    @abstractmethod
    def encode_chips(self, chips: NDArray[np.uint8]) -> Features:
        """Return float64 (n, 128), in the chips' order."""
