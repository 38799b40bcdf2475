"""From the photo to the canvas."""

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.image import RgbImage
from veilmesh_ml.inpainting.canvas import CANVAS_PX
from veilmesh_ml.surrogate.points import Similarity


def cut_out(image: RgbImage, onto: Similarity, side_px: int = CANVAS_PX) -> NDArray[np.uint8]:
    """Return what a canvas shows of a photo, uint8 (side, side, 3); beyond its border the photo is mirrored.

    Args:
        image: uint8 (height, width, 3).
        onto: from the photo to the canvas.
        side_px: of the canvas.
    """
    scale = float(np.sqrt(abs(np.linalg.det(onto.matrix))))
    shrunk = min(1.0, 1.5 * scale)  # a warp alone would skip pixels of a large face
    height, width = image.shape[:2]
    size = max(1, round(width * shrunk)), max(1, round(height * shrunk))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if shrunk < 1 else image
    # Pixels' middles: x of the photo is (x' + 0.5) * width / size - 0.5 of the reduced one's x'.
    ratio = np.array([width / size[0], height / size[1]])
    matrix = onto.matrix * ratio
    shift = onto.shift + onto.matrix @ (0.5 * ratio - 0.5)
    turned = cv2.warpAffine(
        small,
        np.column_stack([matrix, shift]),
        (side_px, side_px),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(turned, dtype=np.uint8)
