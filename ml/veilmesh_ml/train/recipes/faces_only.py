"""Faces without hair and background, as the siamese network sees them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from veilmesh_ml.inpainting.drawing import filled
from veilmesh_ml.surrogate.points import OUTLINE, with_forehead
from veilmesh_ml.train.pictures import from_network, sheet


def face_masks(landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the inside of every face's outline, uint8 (n, 128, 128)."""
    masks = np.empty((len(landmarks), 128, 128), dtype=np.uint8)
    for index, points in enumerate(landmarks):
        masks[index] = filled(with_forehead(points)[OUTLINE])
    return masks


def shares(masks: NDArray[np.uint8]) -> Any:
    """Return planes, (n, height, width), as a tensor [n, 1, height, width], 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(masks))[:, None].float() / 255


def rows_sheet(rows: Sequence[Any]) -> NDArray[np.uint8]:
    """Return one picture of rows of pictures, each a tensor [n, 3, height, width], about -1 to 1."""
    return sheet(from_network(torch.cat([row.float().cpu() for row in rows])), columns=len(rows[0]))
