"""Pictures beside each other, to look at."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from veilmesh_ml.image import RgbImage

_GAP_PX: Final = 4


def contact_sheet(pictures: Sequence[RgbImage], columns: int = 8) -> RgbImage:
    """Return pictures of one size, at least one, in rows on white, uint8 (height, width, 3)."""
    height, width, _ = pictures[0].shape
    across = min(columns, len(pictures))
    down = -(-len(pictures) // across)
    sheet = np.full(
        (down * (height + _GAP_PX) + _GAP_PX, across * (width + _GAP_PX) + _GAP_PX, 3), 255, dtype=np.uint8
    )
    for place, picture in enumerate(pictures):
        top, left = (
            _GAP_PX + index * (side + _GAP_PX)
            for index, side in zip(divmod(place, across), (height, width), strict=True)
        )
        sheet[top : top + height, left : left + width] = picture
    return sheet
