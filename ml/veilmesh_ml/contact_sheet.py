"""Pictures beside each other, to look at. Needs numpy alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def contact_sheet(
    pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    columns: int = 8,
    *,
    gap_px: int = 4,
    ground: int = 255,
) -> NDArray[np.uint8]:
    """Return pictures in rows, uint8 (height, width, 3).

    Args:
        pictures: of one size, at least one, uint8 (height, width, 3) each.
        columns: pictures in a row, where there are as many.
        gap_px: between pictures, and around them.
        ground: the grey of gaps and empty places.
    """
    height, width, _ = pictures[0].shape
    across = min(columns, len(pictures))
    down = -(-len(pictures) // across)
    sheet = np.full(
        (down * (height + gap_px) + gap_px, across * (width + gap_px) + gap_px, 3), ground, dtype=np.uint8
    )
    for place, picture in enumerate(pictures):
        top, left = (
            gap_px + index * (side + gap_px)
            for index, side in zip(divmod(place, across), (height, width), strict=True)
        )
        sheet[top : top + height, left : left + width] = picture
    return sheet
