"""Where each track is seen, in a few frames spread over all of its own: for thumbnails of the output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from veilmesh_ml.face import Box
from veilmesh_ml.video.disguise import Shot

MOST: Final = 8  # of one track


@dataclass(slots=True)
class Sightings:
    """Some places of one track.

    Attributes:
        every: of so many frames one is noted.
        met: frames so far.
        boxes: by frame.
    """

    every: int = 1
    met: int = 0
    boxes: dict[int, Box] = field(default_factory=dict)

    def add(self, number: int, box: Box) -> None:
        """Note a frame, or not; where there are too many, every second goes."""
        if self.met % self.every == 0:
            self.boxes[number] = box
        self.met += 1
        if len(self.boxes) > MOST:
            self.every *= 2
            self.boxes = {number: self.boxes[number] for number in sorted(self.boxes)[::2]}


def note(sightings: dict[int, Sightings], shots: Sequence[Shot]) -> None:
    """Enter the tracks of these frames."""
    for shot in shots:
        for track, place in shot.places.items():
            sightings.setdefault(track, Sightings()).add(shot.number, place.box)


def by_frame(sightings: Mapping[int, Sightings]) -> dict[int, list[tuple[int, Box]]]:
    """Return tracks and boxes by frame."""
    frames: dict[int, list[tuple[int, Box]]] = {}
    for track, each in sightings.items():
        for number, box in each.boxes.items():
            frames.setdefault(number, []).append((track, box))
    return frames
