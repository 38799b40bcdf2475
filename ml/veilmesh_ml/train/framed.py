"""Packed faces in the frame of the bank of surrogates: every landmark lies where the mean face has it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.inpainting.smooth_warp import warp_picture
from veilmesh_ml.surrogate.points import Points, with_forehead
from veilmesh_ml.train.packed import PackedFaces, decode

FRAME_PX: Final = 160  # of the bank's textures


def framed(
    faces: PackedFaces, chosen: NDArray[np.intp], size_px: int, mean_shape: Points
) -> NDArray[np.uint8]:
    """Return these faces, warped to the frame at another size: uint8 (n, size_px, size_px, 3).

    Args:
        faces: to choose from.
        chosen: their indices.
        size_px: of the side, a multiple of 8.
        mean_shape: of the frame, (77, 2).
    """
    canvases = decode([faces.pictures[index] for index in chosen])
    target = (mean_shape + 0.5) * (size_px / FRAME_PX) - 0.5
    made = np.empty((len(chosen), size_px, size_px, 3), dtype=np.uint8)
    for place, index in enumerate(chosen):
        made[place] = warp_picture(canvases[place], target, with_forehead(faces.landmarks[index]), size_px)
    return made
