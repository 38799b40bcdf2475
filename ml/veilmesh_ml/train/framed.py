"""Packed faces in the frame of the bank of surrogates."""

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.inpainting.framing import to_frame
from veilmesh_ml.surrogate.points import Points
from veilmesh_ml.train.packed import PackedFaces, decode


def framed(
    faces: PackedFaces, chosen: NDArray[np.intp], size_px: int, mean_shape: Points
) -> NDArray[np.uint8]:
    """Return these faces in the frame at another size, uint8 (n, size_px, size_px, 3).

    Args:
        faces: to choose from.
        chosen: their indices.
        size_px: of the side, a multiple of 8.
        mean_shape: of the frame, (77, 2).
    """
    canvases = decode([faces.pictures[index] for index in chosen])
    made = np.empty((len(chosen), size_px, size_px, 3), dtype=np.uint8)
    for place, index in enumerate(chosen):
        made[place] = to_frame(canvases[place], faces.landmarks[index], mean_shape, size_px)
    return made
