"""From the canvas to the frame of the bank of surrogates, where landmarks lie as the mean face has them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.inpainting.smooth_warp import warp_picture
from veilmesh_ml.surrogate.points import Points, with_forehead

FRAME_PX: Final = 160  # of the bank's textures


def to_frame(
    canvas: NDArray[np.uint8], landmarks: NDArray[np.floating], mean_shape: Points, size_px: int
) -> NDArray[np.uint8]:
    """Return a face warped to the frame at another size, uint8 (size_px, size_px, 3).

    Args:
        canvas: the face, uint8 (128, 128, 3).
        landmarks: on the canvas, (68, 2).
        mean_shape: of the frame, (77, 2).
        size_px: a multiple of 8.
    """
    target = (mean_shape + 0.5) * (size_px / FRAME_PX) - 0.5
    return warp_picture(canvas, target, with_forehead(landmarks), size_px)
