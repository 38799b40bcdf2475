"""Which of the faces found belongs to which track: the pairs that overlap most, all together.

The Hungarian method over boxes, as SORT has it (Bewley and others 2016); boxes are grown first, for between
two looks a face may have moved by its own width.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from veilmesh_ml.face import Box

GROWN: Final = 0.5  # of the box, on every side
LEAST_OVERLAP: Final = 0.15  # of the grown boxes


def associate(expected: Sequence[Box], found: Sequence[Box]) -> dict[int, int]:
    """Return which box found is which expected one: indexes of `found` to those of `expected`."""
    if not expected or not found:
        return {}
    overlap = np.array(
        [[one.grown(GROWN).overlap(other.grown(GROWN)) for other in expected] for one in found]
    )
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return {
        int(row): int(column)
        for row, column in zip(rows, columns, strict=True)
        if overlap[row, column] >= LEAST_OVERLAP
    }
