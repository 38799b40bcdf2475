"""Pixels as networks take them, and back; sheets of pictures."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from veilmesh_ml.contact_sheet import contact_sheet


def to_network(pictures: NDArray[np.uint8]) -> Tensor:
    """Colour [n, height, width, 3] or grey [n, height, width], uint8 -> float [n, channel, height, width]."""
    planes = pictures[:, np.newaxis] if pictures.ndim == 3 else pictures.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(planes)).float() / 127.5 - 1


def from_network(pictures: Tensor) -> NDArray[np.uint8]:
    """Float [n, channel, height, width] -> uint8 [n, height, width, 3]."""
    planes = ((pictures.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).byte()
    return np.ascontiguousarray(planes.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())


def shrunk(pictures: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Return square pictures, uint8 (n, side, side, 3), at a side that divides theirs, by averaging."""
    count, side, _, _ = pictures.shape
    block = side // side_px
    blocks = pictures.reshape(count, side_px, block, side_px, block, 3)
    small: NDArray[np.uint8] = np.rint(blocks.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)
    return small


def sheet(pictures: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Return pictures, uint8 (n, height, width, 3), side by side in rows; the rest of the last is black."""
    return contact_sheet(pictures, columns, gap_px=0, ground=0)
