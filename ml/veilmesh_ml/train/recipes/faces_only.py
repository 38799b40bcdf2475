"""Faces without hair and background, as the siamese network sees them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from veilmesh_ml.inpainting.conditions import filled
from veilmesh_ml.surrogate.points import OUTLINE, with_forehead


def face_masks(landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the inside of every face's outline, uint8 (n, 128, 128)."""
    masks = np.empty((len(landmarks), 128, 128), dtype=np.uint8)
    for index, points in enumerate(landmarks):
        masks[index] = filled(with_forehead(points)[OUTLINE])
    return masks


def centred(pixels: NDArray[np.uint8]) -> Any:
    """Return pictures, (n, height, width, 3), as a tensor [n, 3, height, width], -1 to 1."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def shares(masks: NDArray[np.uint8]) -> Any:
    """Return planes, (n, height, width), as a tensor [n, 1, height, width], 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(masks))[:, None].float() / 255


def sheet(rows: Sequence[Any]) -> NDArray[np.uint8]:
    """Return one picture of rows of pictures, each a tensor [n, 3, height, width], about -1 to 1."""
    wide = [torch.cat(list(row.float().cpu()), dim=2) for row in rows]
    together = torch.cat(wide, dim=1).clamp(-1, 1).add(1).mul(127.5).round().byte()
    picture: NDArray[np.uint8] = together.permute(1, 2, 0).numpy()
    return picture
