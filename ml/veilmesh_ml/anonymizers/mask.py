"""One flat colour over the whole face: the last resort, which tells nothing but where a head was."""

from typing import Final

import numpy as np

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, ChangedArea, require
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.regions import face_region

GREY_STEP = 96


class Mask:
    """Cover the face, grown by `grow`, with one grey level (0 black, 255 white).

    Even a picture without a face gives the encoder some features, and for a few people they lie within
    the threshold of theirs. Of the grey levels, dark grey does so least often (docs/faces.md), hence the
    default; a further attempt takes another level and covers more, the last all that the encoder looks
    at.
    """

    name: Final = "mask"
    attempts: Final = 4

    def __init__(self, grey: int = 64, grow: float = 0.15) -> None:
        """Grey: 0 to 255. Grow: 0 to 1."""
        require(0 <= grey <= 255, f"grey {grey} is not within 0 and 255")
        require(0 <= grow <= 1, f"grow {grow} is not within 0 and 1")
        self.grey, self.grow = grey, grow

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Every further attempt takes the next grey level and grows twice as far."""
        tried, result = self._tried(attempt), image.copy()
        areas = tuple(_cover(result, face, *tried) for face in faces)
        return self._made(result, tried, areas)

    def cover(self, image: RgbImage, face: Face, *, attempt: int = 0) -> AnonymizedImage:
        """Cover a face in place, as `anonymize` does in a copy; return where, and no picture.

        Raises:
            RegionError: the face lies outside the picture.
        """
        tried = self._tried(attempt)
        return self._made(image[:0], tried, (_cover(image, face, *tried),))

    def _tried(self, attempt: int) -> tuple[int, float]:
        return (self.grey + GREY_STEP * attempt) % 256, self.grow * 2**attempt

    def _made(
        self, image: RgbImage, tried: tuple[int, float], areas: tuple[ChangedArea, ...]
    ) -> AnonymizedImage:
        grey, grow = tried
        return AnonymizedImage(image, self.name, {"grey": grey, "grow": grow}, areas)


def _cover(image: RgbImage, face: Face, grey: int, grow: float) -> ChangedArea:
    region = face_region(image.shape, face, grow)
    np.copyto(image[region.rows_and_columns], np.uint8(grey), where=region.mask[..., np.newaxis])
    return ChangedArea(region.window, region.pixels)
