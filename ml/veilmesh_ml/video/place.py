"""Where a face is in one frame, and how sure that is."""

from dataclasses import dataclass, field, replace
from typing import Final, Self

import numpy as np

from veilmesh_ml.face import Box, Face
from veilmesh_ml.video.following import Motion, Points, moved
from veilmesh_ml.video.mean_face import MEAN_FACE

UNSURE: Final = 0.15  # widths: followed one way, without a look at where it led to
COASTING: Final = 0.08  # widths a frame: gone on as before, unseen
AGREE_WITHIN: Final = 0.2  # widths: what was followed forwards and backwards tells the same


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A face in one frame.

    Attributes:
        landmarks: float64 (68, 2), pixels.
        centre: of the detector's box, (2,).
        size: of that box, width and height, (2,).
        confidence: of the detection that it comes from.
        seen: whether a detector found it in this very frame.
        slack: how far off it may be, in widths of the face; 0 where a surrogate may be laid there.
        outlined: its landmarks are a mean face's, fitted into the box: nobody could find its own.
    """

    landmarks: Points = field(repr=False)
    centre: Points
    size: Points
    confidence: float
    seen: bool
    slack: float
    outlined: bool = False

    @classmethod
    def of(cls, face: Face) -> Self:
        """Begin with a face that was found."""
        box = face.box
        centre = np.array([box.left + box.right, box.top + box.bottom]) / 2
        size = np.array([box.width, box.height], dtype=np.float64)
        return cls(face.landmarks.astype(np.float64), centre, size, face.confidence, seen=True, slack=0.0)

    @classmethod
    def around(cls, box: Box, outline: Box, confidence: float) -> Self:
        """Begin with a face whose landmarks nobody could find: between hairline and chin lies the outline."""
        corner = np.array([outline.left, outline.top])
        size = np.array([outline.width, outline.height])
        landmarks = np.rint(corner + MEAN_FACE * size).astype(np.int64)
        return replace(cls.of(Face(box, landmarks, confidence)), slack=UNSURE, outlined=True)

    @property
    def box(self) -> Box:
        (across, down), (width, height) = self.centre.tolist(), self.size.tolist()
        left, top = round(across - width / 2), round(down - height / 2)
        return Box(left, top, round(across + width / 2), round(down + height / 2))

    @property
    def face(self) -> Face:
        return Face(self.box, np.rint(self.landmarks).astype(np.int64), self.confidence)

    @property
    def width_px(self) -> float:
        return max(1.0, float(np.ptp(self.landmarks[:, 0])))

    def followed(self, motion: Motion) -> Self:
        """Return where it is after this motion."""
        growth = float(np.hypot(motion[0, 0], motion[1, 0]))
        return replace(
            self,
            landmarks=moved(self.landmarks, motion),
            centre=moved(self.centre[np.newaxis], motion)[0],
            size=self.size * growth,
            seen=False,
            slack=max(self.slack, UNSURE),
        )

    def coasted(self, shift: Points) -> Self:
        """Return where it would be, moved by this much: nobody saw it go there."""
        return replace(
            self,
            landmarks=self.landmarks + shift,
            centre=self.centre + shift,
            seen=False,
            slack=max(self.slack, UNSURE) + COASTING,
        )

    def distance(self, other: "Place") -> float:
        """How far two places of one face are apart, in its widths."""
        apart = float(np.linalg.norm(self.landmarks - other.landmarks, axis=1).mean())
        return apart / max(self.width_px, other.width_px)

    def larger(self, other: Self) -> Self:
        """Return the larger of two places of one face, which may be where the other is."""
        larger = max(self, other, key=lambda each: float(each.size.prod()))
        return replace(larger, seen=False, slack=max(larger.slack, UNSURE + self.distance(other)))

    def blended(self, other: Self, share: float) -> Self:
        """Return the place between two that were reached from both ends, `share` of the way to the other.

        Where both tell the same it is sure; where not, it is as unsure as they are apart. What was followed
        counts alone beside what went on blindly.
        """
        if (self.slack > UNSURE) != (other.slack > UNSURE):
            return self if self.slack <= UNSURE else other
        apart = self.distance(other)
        blindly = self.slack > UNSURE
        outlined = self.outlined or other.outlined
        return replace(
            self,
            landmarks=(1 - share) * self.landmarks + share * other.landmarks,
            centre=(1 - share) * self.centre + share * other.centre,
            size=(1 - share) * self.size + share * other.size,
            confidence=min(self.confidence, other.confidence),
            seen=False,
            slack=0.0 if apart <= AGREE_WITHIN and not (blindly or outlined) else UNSURE + apart,
            outlined=outlined,
        )
