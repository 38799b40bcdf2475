"""Patches that follow the picture's edges, each of its mean colour (SLIC)."""

from typing import Final

import cv2
import numpy as np
from skimage.segmentation import slic

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, repaint, require
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.regions import face_region

WORKING_PX = (
    200  # patches are found on the window at this width; finer borders would tell nothing and cost seconds
)


class Superpixel:
    """Cut the face, grown by `grow`, into about `patches` patches and give each its mean colour.

    Source: Achanta et al., SLIC superpixels, PAMI 2012.
    """

    name: Final = "superpixel"
    attempts: Final = 1

    def __init__(self, patches: int = 60, grow: float = 0.15) -> None:
        """Patches: 4 to 2000. Grow: 0 to 1."""
        require(4 <= patches <= 2000, f"patches {patches} is not within 4 and 2000")
        require(0 <= grow <= 1, f"grow {grow} is not within 0 and 1")
        self.patches, self.grow = patches, grow

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:  # noqa: ARG002 (there is one)
        changed_image, areas = repaint(
            image, faces, lambda shape, face: face_region(shape, face, self.grow), self._paint
        )
        return AnonymizedImage(changed_image, self.name, {"patches": self.patches, "grow": self.grow}, areas)

    def _paint(self, window: RgbImage, _face: Face, _index: int) -> RgbImage:
        height, width, _ = window.shape
        size = WORKING_PX, max(1, round(WORKING_PX * height / width))
        small = np.asarray(cv2.resize(window, size, interpolation=cv2.INTER_AREA))
        labels = slic(small, n_segments=self.patches, compactness=10, start_label=0, channel_axis=2)
        counts = np.maximum(1, np.bincount(labels.ravel()))
        colours = np.stack(
            [np.bincount(labels.ravel(), weights=small[:, :, c].ravel()) / counts for c in range(3)], axis=1
        )
        flat = np.rint(colours).astype(np.uint8)[labels]
        return np.asarray(cv2.resize(flat, (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
