"""Squares of one colour over the whole face."""

from typing import Final

import cv2
import numpy as np

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, face_width_px, repaint, require
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.regions import face_region


class Pixelate:
    """Average over squares, `across` of them to the face's width, over the face grown by `grow`."""

    name: Final = "pixelate"
    attempts: Final = 3

    def __init__(self, across: int = 10, grow: float = 0.15) -> None:
        """Across: 2 to 100 squares. Grow: 0 to 1."""
        require(2 <= across <= 100, f"across {across} is not within 2 and 100")
        require(0 <= grow <= 1, f"grow {grow} is not within 0 and 1")
        self.across, self.grow = across, grow

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Every further attempt halves the number of squares, over one more `grow`."""
        across, grow = max(2, self.across // 2**attempt), self.grow * (attempt + 1)

        def paint(window: RgbImage, face: Face, _index: int) -> RgbImage:
            height, width, _ = window.shape
            square_px = face_width_px(face) / across
            squares = max(1, round(width / square_px)), max(1, round(height / square_px))
            small = cv2.resize(window, squares, interpolation=cv2.INTER_AREA)
            return np.asarray(
                cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8
            )

        changed_image, areas = repaint(
            image, faces, lambda shape, face: face_region(shape, face, grow), paint
        )
        return AnonymizedImage(changed_image, self.name, {"across": across, "grow": grow}, areas)
