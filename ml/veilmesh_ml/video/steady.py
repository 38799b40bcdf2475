"""Landmarks that do not tremble: found anew in every frame, they jump by a pixel; faces do not.

Frames on both sides are known, so what is smoothed does not lag behind.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from veilmesh_ml.video.following import Points

NEIGHBOURS: Final = 3  # frames on either side that are looked at
SIGMA: Final = 1.0  # frames


def steadied(landmarks: Mapping[int, Points]) -> Points:
    """Return the landmarks of a frame, float64 (68, 2).

    Args:
        landmarks: by how many frames later they are, -`NEIGHBOURS` to `NEIGHBOURS`; 0 must be there. A frame
            counts together with its opposite alone: a motion to one side would pull it along.
    """
    pairs = [step for step in range(1, NEIGHBOURS + 1) if step in landmarks and -step in landmarks]
    steps = np.array([0, *pairs, *(-step for step in pairs)])
    weights = np.exp(-0.5 * (steps / SIGMA) ** 2)
    known = np.stack([landmarks[int(step)] for step in steps])
    return np.asarray(np.tensordot(weights / weights.sum(), known, axes=1))
