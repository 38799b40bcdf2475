"""Where one scene ends and another begins.

Missed cuts cost masks that stay for a while; a cut where there is none may cost a face its mask. So both how
a frame is composed and how light it is must change at once, and a track ends only if its face cannot be
followed across either.
"""

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.video.following import Grey

SIZE_PX: Final = (64, 36)
LEVELS: Final = 16
COMPOSED_OTHERWISE: Final = 20.0  # grey levels, on the average of the thumbnail's pixels
OTHER_LEVELS: Final = 0.25  # share of the pixels: a camera that is swung about changes fewer


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """What of a frame says which scene it is of.

    Attributes:
        pixels: float32 (36, 64), grey.
        levels: share of the pixels at each of `LEVELS` greys.
    """

    pixels: NDArray[np.float32]
    levels: NDArray[np.float64]

    @classmethod
    def of(cls, grey: Grey) -> Self:
        small = np.asarray(cv2.resize(grey, SIZE_PX, interpolation=cv2.INTER_AREA), dtype=np.float32)
        counts, _ = np.histogram(small, bins=LEVELS, range=(0, 256))
        return cls(small, counts / small.size)

    def begins_after(self, before: Self) -> bool:
        """Whether it is of another scene than the frame before."""
        composed = float(np.abs(self.pixels - before.pixels).mean())
        levels = float(np.abs(self.levels - before.levels).sum()) / 2
        return composed > COMPOSED_OTHERWISE and levels > OTHER_LEVELS
