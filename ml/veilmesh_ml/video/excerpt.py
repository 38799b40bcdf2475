"""The part of a frame about one face: as large as anything that is done to the face reaches.

What is tried, judged or painted there costs by the size of the face, not by that of the frame. It comes out
the same: nothing reaches to where the excerpt ends, unless the frame ends there too.
"""

from dataclasses import dataclass, field, replace
from math import ceil
from typing import Final, Self

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, Anonymizer, ChangedArea
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.regions import face_outline

REACH: Final = 1.25  # of outline and box, on every side: no mask reaches farther, nor does the gate look


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """A face and what is around it.

    Attributes:
        window: where it is in the frame.
        picture: uint8 (height, width, 3) RGB, of its own.
        face: in there.
    """

    window: Box
    picture: RgbImage = field(repr=False)
    face: Face

    @classmethod
    def of(cls, picture: RgbImage, face: Face) -> Self:
        """Cut it out of a frame, uint8 (height, width, 3) RGB, in which the face lies."""
        window = _reached(face).within(*picture.shape[:2])
        part = picture[window.top : window.bottom, window.left : window.right].copy()
        return cls(window, part, face.moved(-window.left, -window.top))

    def anonymized(self, anonymizer: Anonymizer, attempt: int) -> AnonymizedImage:
        """Return it with its face changed."""
        return anonymizer.anonymize(self.picture, [self.face], attempt=attempt)


def change(picture: RgbImage, face: Face, anonymizer: Anonymizer, attempt: int) -> AnonymizedImage:
    """Change a face of a frame in place; return what was done, where, and no picture.

    Args:
        picture: uint8 (height, width, 3) RGB, written to.
        face: in there.
        anonymizer: how.
        attempt: of it.
    """
    excerpt = Excerpt.of(picture, face)
    window, changed = excerpt.window, excerpt.anonymized(anonymizer, attempt)
    picture[window.top : window.bottom, window.left : window.right] = changed.image
    areas = tuple(
        ChangedArea(area.window.moved(window.left, window.top), area.pixels) for area in changed.changed
    )
    return replace(changed, image=picture[:0], changed=areas)


def _reached(face: Face) -> Box:
    outline = face_outline(face.landmarks)
    (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0) + 1
    edges = Box(
        min(face.box.left, int(left)),
        min(face.box.top, int(top)),
        max(face.box.right, int(right)),
        max(face.box.bottom, int(bottom)),
    )
    return edges.padded(ceil(REACH * max(edges.width, edges.height)))
