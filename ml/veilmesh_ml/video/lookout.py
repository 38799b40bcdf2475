"""Looks for faces in a frame: CenterFace finds them, dlib's landmarks say how they lie.

Faces that the landmark model does not know, such as profiles, are told by its disagreeing with CenterFace
about where eyes, nose and mouth are. They are found all the same; but only a mask will do for them.

What is a faint sign of a face may be one where a face is being followed, and is none elsewhere (Zhang and
others 2022, "ByteTrack"). So both are told, apart; landmarks of faint ones, most of which nobody wants, are
looked for when they are asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import numpy as np

from veilmesh_ml.engine import Engine
from veilmesh_ml.face import Box, Face
from veilmesh_ml.five_points import five_points
from veilmesh_ml.image import RgbImage
from veilmesh_ml.video.centerface import CenterFace, FoundFace
from veilmesh_ml.video.place import Place

SURE: Final = 0.25  # confidence: enough to begin a track with; docs/benchmarks.md has what others cost
FAINT: Final = 0.12  # enough to go on with
# dlib's HOG box within CenterFace's: where its centre lies from the other's and how long its side is, in the
# square root of the other's area; medians over 303 photos of LFW, people A to R.
HOG_BOX_SHIFT: Final = np.array([0.0, 0.087])
HOG_BOX_SIDE: Final = 0.97
# The two agree within .055 on 99 of 100 of these photos, .03 in the median; in the same unit.
AGREE_WITHIN: Final = 0.1
WHOLE: Final = 0.85  # of the box: where less of a face lies in the picture no landmarks are looked for


@dataclass(frozen=True, slots=True, eq=False)
class Sign:
    """What may be a face.

    Attributes:
        box: of the place.
        place: returns it.
    """

    box: Box
    place: Callable[[], Place] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Looked:
    """What is seen in a frame.

    Attributes:
        sure: faces.
        faint: what may be one.
    """

    sure: list[Place]
    faint: list[Sign]


class Looks(Protocol):
    """What a tracker needs."""

    def look(self, picture: RgbImage) -> Looked:
        """Return the faces of a frame, uint8 (height, width, 3) RGB."""
        ...

    def face_in(self, picture: RgbImage, box: Box) -> Face | None:
        """Return the face in a box of HOG's kind, with its landmarks; None where it is cut off."""
        ...


class Lookout:
    """CenterFace, and an engine's landmarks."""

    def __init__(self, engine: Engine, detector: CenterFace) -> None:
        self._engine = engine
        self._detector = detector

    def look(self, picture: RgbImage) -> Looked:
        """Return the faces of a frame."""
        found = self._detector.find(picture, FAINT)
        return Looked(
            [self._place(picture, face) for face in found if face.confidence >= SURE],
            [
                Sign(hog_box(face.box), partial(self._place, picture, face))
                for face in found
                if face.confidence < SURE
            ],
        )

    def face_in(self, picture: RgbImage, box: Box) -> Face | None:
        """Return the face in a box of HOG's kind."""
        inside = box.within(*picture.shape[:2])
        if inside.width * inside.height <= WHOLE * box.width * box.height:
            return None
        return self._engine.face_in(picture, inside)

    def _place(self, picture: RgbImage, found: FoundFace) -> Place:
        box = hog_box(found.box)
        face = self.face_in(picture, box)
        if face is not None and agree(face, found):
            return Place.of(Face(box, face.landmarks, found.confidence))
        return Place.around(box, found.box, found.confidence)


def hog_box(box: Box) -> Box:
    """Return the box that HOG would put about the face in CenterFace's."""
    unit_px = _unit_px(box)
    middle = np.array([box.left + box.right, box.top + box.bottom]) / 2 + HOG_BOX_SHIFT * unit_px
    left, top = (round(float(edge)) for edge in middle - HOG_BOX_SIDE * unit_px / 2)
    side = round(HOG_BOX_SIDE * unit_px)
    return Box(left, top, left + side, top + side)


def agree(face: Face, found: FoundFace) -> bool:
    """Whether dlib's landmarks lie where CenterFace sees eyes, nose and mouth."""
    apart_px = np.linalg.norm(five_points(face.landmarks) - found.points, axis=1).mean()
    return bool(apart_px <= AGREE_WITHIN * _unit_px(found.box))


def _unit_px(box: Box) -> float:
    return float(np.sqrt(box.width * box.height))
