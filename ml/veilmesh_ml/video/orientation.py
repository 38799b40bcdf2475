"""How a video's pictures are turned before they are shown: its display matrix.

Faces are looked for in upright pictures; written are the pictures as they were stored, with the same matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways to lay a picture: transposed first, then mirrored and flipped.

    Attributes:
        transposed: rows become columns.
        mirrored: left to right.
        flipped: top to bottom.
        matrix: the nine numbers of the display matrix, 16.16 and 2.30 fixed point; None where there is none.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False
    matrix: tuple[int, ...] | None = None

    @classmethod
    def of(cls, frame: VideoFrame) -> Self:
        """Read it off a decoded frame; what lies between two of the eight counts as the nearer one."""
        data = frame.side_data.get("DISPLAYMATRIX")
        if isinstance(data, SideData):
            return cls.of_matrix(np.frombuffer(bytes(data), dtype=np.int32).tolist())
        return cls()

    @classmethod
    def of_matrix(cls, matrix: Sequence[int]) -> Self:
        """Begin with the nine numbers.

        A stored pixel (x, y) is shown at (a x + c y, b x + d y), they being (a, b, u, c, d, v, x, y, w);
        source: FFmpeg, libavutil/display.h.
        """
        a, b, _, c, d = matrix[:5]
        transposed = abs(b) + abs(c) > abs(a) + abs(d)
        across, down = (c, b) if transposed else (a, d)
        return cls(transposed, across < 0, down < 0, tuple(matrix))

    def upright(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Turn a stored picture, (height, width, ...), as it is shown."""
        shown = stored.swapaxes(0, 1) if self.transposed else stored
        shown = shown[:, ::-1] if self.mirrored else shown
        return np.ascontiguousarray(shown[::-1] if self.flipped else shown)

    def stored(self, upright: NDArray[Any]) -> NDArray[Any]:
        """Turn it back."""
        stored = upright[::-1] if self.flipped else upright
        stored = stored[:, ::-1] if self.mirrored else stored
        return np.ascontiguousarray(stored.swapaxes(0, 1) if self.transposed else stored)
