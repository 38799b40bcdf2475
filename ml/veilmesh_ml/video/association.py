"""Which of the faces found belongs to which track: the pairs that overlap most, all together.

The Hungarian method over boxes, as SORT has it (Bewley and others 2016); boxes are grown first, for between
two looks a face may have moved by its own width. It is dlib's, which is loaded anyway: loading SciPy takes
longer than all assignments of a clip.
"""

from collections.abc import Sequence
from typing import Final

import dlib
import numpy as np

from veilmesh_ml.face import Box

GROWN: Final = 0.5  # of the box, on every side
LEAST_OVERLAP: Final = 0.15  # of the grown boxes


def associate(expected: Sequence[Box], found: Sequence[Box]) -> dict[int, int]:
    """Return which box found is which expected one: indexes of `found` to those of `expected`."""
    if not expected or not found:
        return {}
    side = max(len(expected), len(found))
    overlap = np.zeros((side, side))  # [found, expected], and nobody's, so that there are as many of both
    for row, one in enumerate(found):
        for column, other in enumerate(expected):
            overlap[row, column] = one.grown(GROWN).overlap(other.grown(GROWN))
    columns = dlib.max_cost_assignment(dlib.matrix(overlap))
    return {row: column for row, column in enumerate(columns) if overlap[row, column] >= LEAST_OVERLAP}
