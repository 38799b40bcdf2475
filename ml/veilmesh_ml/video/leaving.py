"""Who stays as they are: the faces in a region, or a person known from a photo; or all but these.

Where that is not sure, a face is anonymized. A face is left in all frames that are settled together, or in
none, and only if in each of these frames its place is sure and

- to keep a region: all of the face lies within it; to anonymize a region only: nothing lies near it;
- to keep a person: it is much more alike than a match has to be; to anonymize a person only: much less;
- nobody else in the same frame is taken for the same person.
"""

import hashlib
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self, TypeAlias

import numpy as np

from veilmesh_ml.comparison import Features, dissimilarity
from veilmesh_ml.engine import Engine
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.face import Box
from veilmesh_ml.image import encode_image, read_image
from veilmesh_ml.sample_features import sample_features
from veilmesh_ml.video.disguise import Shot, TrackRecord
from veilmesh_ml.video.place import Place

SURELY: Final = 0.1  # so far from the threshold of a match, on either side
NEAR: Final = 0.5  # widths of the face

_Where = tuple[int, int]  # index of the shot, and track


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture as it is shown."""

    box: Box

    @classmethod
    def of(cls, text: str) -> "Region | None":
        """Read X,Y,WIDTH,HEIGHT; None where it is something else.

        Raises:
            ParameterError: it is empty.
        """
        parts = text.split(",")
        if len(parts) != 4 or not all(part.strip().lstrip("-").isdecimal() for part in parts):
            return None
        left, top, width, height = map(int, parts)
        if min(width, height) < 1:
            raise ParameterError(f"the region {text} is empty", hint="give X,Y,WIDTH,HEIGHT in pixels")
        return cls(Box(left, top, left + width, top + height))

    @property
    def digest(self) -> str:
        return f"region {self.box.left},{self.box.top},{self.box.right},{self.box.bottom}"


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody, by a photo.

    Attributes:
        features: float64 (d,), of the face in it.
        digest: names the photo.
    """

    features: Features = field(repr=False)
    digest: str

    @classmethod
    def of(cls, photo: Path, engine: Engine) -> Self:
        """Read a photo.

        Raises:
            ImageError: it cannot be read.
            ParameterError: not exactly one face is found in it.
        """
        picture = read_image(photo)
        faces = engine.detect(picture)
        if len(faces) != 1:
            raise ParameterError(
                f"{len(faces) or 'no'} face{'s' * (len(faces) > 1)} found in {photo}",
                hint="give a photo with the one face that is meant",
            )
        digest = hashlib.sha256(encode_image(picture, "PPM")).hexdigest()
        return cls(sample_features(engine, picture, faces)[0], f"person {digest}")


Selector: TypeAlias = Region | Person


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is anonymized: all but `keep`, or `only` these.

    Attributes:
        keep: who is left.
        only: who is not left; where it is empty, everybody.
    """

    keep: tuple[Selector, ...] = ()
    only: tuple[Selector, ...] = ()

    def __post_init__(self) -> None:
        """Refuse both at once.

        Raises:
            ParameterError: what would count for somebody who is in both?
        """
        if self.keep and self.only:
            raise ParameterError("keep some, or anonymize only some", hint="leave one of the two out")

    @property
    def digest(self) -> str:
        return repr(([each.digest for each in self.keep], [each.digest for each in self.only]))


class Leaving:
    """Takes those who are left out of what is to be changed."""

    def __init__(
        self,
        choice: Choice,
        engine: Engine,
        threshold_dissimilarity: float,
        records: MutableMapping[int, TrackRecord],
    ) -> None:
        """Choice: whose. Threshold: of a match. Records: where it is noted who was left."""
        self._choice, self._engine, self._threshold = choice, engine, threshold_dissimilarity
        self._records = records

    def remaining(self, shots: Sequence[Shot]) -> list[Shot]:
        """Return these frames with the places of those alone who are to be anonymized."""
        if not (self._choice.keep or self._choice.only):
            return list(shots)
        tracks = {track for shot in shots for track in shot.places}
        features = self._features(shots) if self._by_person else {}
        if self._choice.only:
            left = {
                track
                for track in tracks
                if all(self._is_not(each, _of(track, shots), features) for each in self._choice.only)
            }
        else:
            left = set().union(
                *(
                    _alone(
                        {track for track in tracks if self._is(each, _of(track, shots), features)},
                        shots,
                        each,
                    )
                    for each in self._choice.keep
                )
            )
        self._note(left, shots)
        return [
            replace(
                shot,
                places={track: place for track, place in shot.places.items() if track not in left},
            )
            for shot in shots
        ]

    @property
    def _by_person(self) -> bool:
        return any(isinstance(each, Person) for each in (*self._choice.keep, *self._choice.only))

    def _features(self, shots: Sequence[Shot]) -> dict[_Where, Features]:
        return {
            (index, track): sample_features(self._engine, shot.picture, [place.face])[0]
            for index, shot in enumerate(shots)
            for track, place in shot.places.items()
            if not place.slack
        }

    def _is(
        self, selector: Selector, places: Mapping[_Where, Place], features: Mapping[_Where, Features]
    ) -> bool:
        """Whether a face surely is what is selected, in all of these frames."""
        if any(place.slack for place in places.values()):
            return False
        if isinstance(selector, Region):
            return all(_within(_whole(place), selector.box) for place in places.values())
        limit = self._threshold - SURELY
        return all(dissimilarity(features[where], selector.features) <= limit for where in places)

    def _is_not(
        self, selector: Selector, places: Mapping[_Where, Place], features: Mapping[_Where, Features]
    ) -> bool:
        """Whether a face surely is something else, in all of these frames."""
        if any(place.slack for place in places.values()):
            return False
        if isinstance(selector, Region):
            return not any(_touch(_whole(place).grown(NEAR), selector.box) for place in places.values())
        limit = self._threshold + SURELY
        return all(dissimilarity(features[where], selector.features) >= limit for where in places)

    def _note(self, left: set[int], shots: Sequence[Shot]) -> None:
        for shot in shots:
            for track in left & shot.places.keys():
                record = self._records.setdefault(track, TrackRecord(track, shot.number, shot.number))
                record.last = shot.number
                record.frames += 1
                record.left += 1


def _of(track: int, shots: Sequence[Shot]) -> dict[_Where, Place]:
    return {(index, track): shot.places[track] for index, shot in enumerate(shots) if track in shot.places}


def _alone(tracks: set[int], shots: Sequence[Shot], selector: Selector) -> set[int]:
    """Return nobody where two in one frame are taken for one person."""
    twice = isinstance(selector, Person) and any(len(tracks & shot.places.keys()) > 1 for shot in shots)
    return set() if twice else tracks


def _whole(place: Place) -> Box:
    """Return all of a face: where a detector has it, and its landmarks."""
    left, top = np.floor(place.landmarks.min(axis=0)).astype(int)
    right, bottom = np.ceil(place.landmarks.max(axis=0)).astype(int)
    box = place.box
    return Box(
        min(box.left, int(left)),
        min(box.top, int(top)),
        max(box.right, int(right)),
        max(box.bottom, int(bottom)),
    )


def _within(inner: Box, outer: Box) -> bool:
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and inner.right <= outer.right
        and inner.bottom <= outer.bottom
    )


def _touch(one: Box, other: Box) -> bool:
    return (
        one.left < other.right
        and other.left < one.right
        and one.top < other.bottom
        and other.top < one.bottom
    )
