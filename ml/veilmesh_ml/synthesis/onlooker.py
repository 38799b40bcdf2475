"""What the engine sees in pictures that the style-based GAN made.

They are small, and the face lies at a known place: they are enlarged, and landmarks are looked for in the box
where a detector finds the mean face, without a detector.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine, align_all
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage

ENLARGED_PX: Final = 192
_BOX: Final = Box(37, 51, 163, 177)  # the median of HOG's on real faces cut out alike


def enlarged(face: RgbImage) -> RgbImage:
    """Return a picture as large as faces are looked at, uint8 (ENLARGED_PX, ENLARGED_PX, 3)."""
    larger = cv2.resize(face, (ENLARGED_PX, ENLARGED_PX), interpolation=cv2.INTER_CUBIC)
    return np.asarray(larger, dtype=np.uint8)


def face_in(engine: Engine, picture: RgbImage) -> Face:
    """Return the face in an enlarged picture."""
    return engine.face_in(picture, _BOX)


def features_of(engine: Engine, faces: NDArray[np.uint8]) -> Features:
    """Return the features, float64 (n, 128), of faces as they are drawn, uint8 (n, side, side, 3)."""
    pictures = [enlarged(face) for face in faces]
    chips = [align_all(engine.align, picture, [face_in(engine, picture)]) for picture in pictures]
    return engine.encode_chips(np.concatenate(chips))
