"""Where one scene ends and another begins.

A missed cut costs masks that stay for a while and people who are taken for one; a cut where there is none may
cost a face its mask. So a frame has to be composed otherwise, and hardly anything of the frame before may be
found again in it: a camera that is swung about leaves much (57 % and more; at cuts it was 4 to 8 %).
"""

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.video.following import Grey, came_back

SMALL_PX: Final = (192, 108)
THUMBNAIL_PX: Final = (32, 18)
COMPOSED_OTHERWISE: Final = 10.0  # grey levels, on the average of the thumbnail's pixels
POINTS: Final = 150
FOUND_AGAIN: Final = 0.25  # share of the points


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """What of a frame says which scene it is of.

    Attributes:
        small: uint8 (108, 192), grey.
        composition: float32 (18, 32), of equal brightness on the average.
    """

    small: Grey
    composition: NDArray[np.float32]

    @classmethod
    def of(cls, grey: Grey) -> Self:
        small = np.asarray(cv2.resize(grey, SMALL_PX, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        tiny = cv2.resize(small, THUMBNAIL_PX, interpolation=cv2.INTER_AREA).astype(np.float32)
        return cls(small, np.asarray(tiny - tiny.mean(), dtype=np.float32))

    def begins_after(self, before: Self) -> bool:
        """Whether it is of another scene than the frame before."""
        if float(np.abs(self.composition - before.composition).mean()) < COMPOSED_OTHERWISE:
            return False
        corners = cv2.goodFeaturesToTrack(before.small, POINTS, qualityLevel=0.01, minDistance=4)
        if corners is None:
            return True  # from nothing to something
        points = np.asarray(corners[:, 0], dtype=np.float32)
        _, good = came_back(before.small, self.small, points)
        return float(good.mean()) < FOUND_AGAIN
