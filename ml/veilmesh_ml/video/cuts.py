"""Where one scene ends and another begins."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.video.following import Grey

THUMBNAIL_PX: Final = (32, 18)
# Grey levels by which pixels of thumbnails differ on the average. Within a scene that is rarely so much,
# unless the camera is swung about: hence a track ends only if the face cannot be followed across either.
CUT: Final = 25.0

Thumbnail = NDArray[np.float32]  # (18, 32)


def thumbnail(grey: Grey) -> Thumbnail:
    """Return a frame made so small that only its composition is left, of equal brightness on the average."""
    small = cv2.resize(grey, THUMBNAIL_PX, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(small - small.mean(), dtype=np.float32)


def is_cut(before: Thumbnail, after: Thumbnail) -> bool:
    """Whether something else is shown all at once."""
    return float(np.abs(after - before).mean()) > CUT
