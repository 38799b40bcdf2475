"""A face in a picture: where it is and where its parts are."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Landmarks: TypeAlias = NDArray[np.int64]  # (68, 2): x, y in pixels


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, which may reach past the picture.

    `right` and `bottom` are the first column and row outside.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def overlap(self, other: "Box") -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(0, width) * max(0, height)
        joined = self.width * self.height + other.width * other.height - shared
        return shared / joined if joined else 0.0

    def grown(self, share: float) -> "Box":
        """The same centre, with `share` of the width and height added on every side."""
        across, down = round(self.width * share), round(self.height * share)
        return Box(self.left - across, self.top - down, self.right + across, self.bottom + down)

    def padded(self, margin: int) -> "Box":
        """The same centre, with so many pixels added on every side."""
        return Box(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)

    def moved(self, right: int, down: int) -> "Box":
        """The same box, in a picture whose origin lies elsewhere."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def scaled(self, scale: float) -> "Box":
        """The same box, in the same picture at another size."""
        edges = (round(edge * scale) for edge in (self.left, self.top, self.right, self.bottom))
        return Box(*edges)

    def within(self, height: int, width: int) -> "Box":
        """The part of it that lies inside a picture of this size; empty where there is none."""
        left, top = min(max(0, self.left), width), min(max(0, self.top), height)
        return Box(left, top, max(left, min(self.right, width)), max(top, min(self.bottom, height)))


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face as an engine found it.

    Landmarks are the 68 points of the iBUG 300-W scheme, int64 (68, 2), x then y: 0-16 jaw, 17-26 brows,
    27-35 nose, 36-47 eyes, 48-67 mouth, "right" being the person's own. Points may lie outside the
    picture. Confidence is the detector's own score: unitless, higher is surer, comparable only within one
    engine.
    """

    box: Box
    landmarks: Landmarks = field(repr=False)
    confidence: float

    def __post_init__(self) -> None:
        if self.landmarks.shape != (68, 2):
            raise ValueError(f"landmarks have shape {self.landmarks.shape}, not (68, 2)")
        self.landmarks.setflags(write=False)

    def moved(self, right: int, down: int) -> "Face":
        """The same face, in a picture whose origin lies elsewhere."""
        return Face(self.box.moved(right, down), self.landmarks + np.array([right, down]), self.confidence)

    def scaled(self, scale: float) -> "Face":
        """The same face, in the same picture at another size."""
        points = np.rint(self.landmarks * scale).astype(np.int64)
        return Face(self.box.scaled(scale), points, self.confidence)

    @property
    def eye_distance_px(self) -> float:
        """Pixels between the centres of the eyes."""
        between = self.landmarks[36:42].mean(axis=0) - self.landmarks[42:48].mean(axis=0)
        return float(np.hypot(*between))
