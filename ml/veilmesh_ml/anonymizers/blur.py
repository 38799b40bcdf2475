"""Gaussian blur of the whole face."""

from typing import Final

import cv2
import numpy as np

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, face_width_px, repaint, require
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.regions import face_region


class Blur:
    """Blur with a standard deviation of `strength` times the face's width, over the face grown by `grow`."""

    name: Final = "blur"
    attempts: Final = 3

    def __init__(self, strength: float = 0.15, grow: float = 0.15) -> None:
        """Strength: 0.01 to 1. Grow: 0 to 1."""
        require(0.01 <= strength <= 1, f"strength {strength} is not within 0.01 and 1")
        require(0 <= grow <= 1, f"grow {grow} is not within 0 and 1")
        self.strength, self.grow = strength, grow

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Every further attempt blurs twice as wide, over one more `grow`."""
        strength, grow = self.strength * 2**attempt, self.grow * (attempt + 1)

        def paint(window: RgbImage, face: Face, _index: int) -> RgbImage:
            sigma = strength * face_width_px(face)
            return np.asarray(
                cv2.GaussianBlur(window, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), dtype=np.uint8
            )

        changed_image, areas = repaint(
            image, faces, lambda shape, face: face_region(shape, face, grow), paint
        )
        return AnonymizedImage(changed_image, self.name, {"strength": strength, "grow": grow}, areas)
