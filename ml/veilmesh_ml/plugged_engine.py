"""An engine whose encoder is another's: one finds and marks faces, a plugged-in ONNX model encodes them.

engine = plug_encoder(load_engine("reference"), Path("arcface.onnx"))     # and arcface.toml beside it
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine, check_chips
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.onnx_encoder import OnnxEncoder

# Where the box that landmarks were trained with lies in a chip of 150 px with dlib's padding of a quarter.
FACE_IN_CHIP = Box(25, 25, 125, 125)


class PluggedEngine:
    """Implements `Engine`: detection, landmarks and dlib's chip from `base`, features from `encoder`."""

    def __init__(self, base: Engine, encoder: OnnxEncoder) -> None:
        self._base = base
        self._encoder = encoder

    @property
    def name(self) -> str:
        return f"{self._base.name}+{self._encoder.description.name}"

    @property
    def model_digest(self) -> str:
        return self._encoder.model_digest

    @property
    def landmarks_digest(self) -> str:
        return self._base.landmarks_digest

    @property
    def detector(self) -> str:
        return self._base.detector

    def detect(self, image: RgbImage, *, thorough: bool = False) -> list[Face]:
        return self._base.detect(image, thorough=thorough)

    def face_in(self, image: RgbImage, box: Box) -> Face:
        return self._base.face_in(image, box)

    def align(self, image: RgbImage, face: Face) -> RgbImage:
        """Cut the face out as every engine does: uint8 (150, 150, 3) RGB; the encoder's chip is its own."""
        return self._base.align(image, face)

    def encode(self, image: RgbImage, faces: list[Face]) -> Features:
        """Return float64 (n, d), in the faces' order; d is the encoder's."""
        encoder = self._encoder
        return encoder.encode(
            [
                encoder.align(
                    image, face.landmarks, self._base.align(image, face) if encoder.wants_dlib_chip else None
                )
                for face in faces
            ]
        )

    def encode_chips(self, chips: NDArray[np.uint8]) -> Features:
        """Return float64 (n, d); for an encoder that aligns by points, landmarks are found in the chip."""
        check_chips(chips)
        encoder = self._encoder
        return encoder.encode(
            [
                encoder.align(chip, self._base.face_in(chip, FACE_IN_CHIP).landmarks, chip)
                for chip in np.ascontiguousarray(chips)
            ]
        )


def plug_encoder(base: Engine, model: Path) -> PluggedEngine:
    """Give an engine another encoder.

    Args:
        base: finds faces and landmarks.
        model: ONNX file, with its description beside it.

    Raises:
        ModelError: as `OnnxEncoder.load`.
    """
    return PluggedEngine(base, OnnxEncoder.load(model))
