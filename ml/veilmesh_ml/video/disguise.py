"""Gives every track its surrogate, and lets no frame go before the release gate passed it.

Frames are settled a few at a time:

1. A track that is new gets the first method and attempt whose result the gate passes on its best frames, as
   far as they are known. It keeps the surrogate from then on.
2. All faces of a frame are changed, one after the other; where a face may lie elsewhere (`Place.slack`), by a
   mask that is wide enough.
3. The gate attacks one frame of every track, and on all others compares the face as it is. Where it refuses,
   the track goes on to its next attempt or method, from these frames on. Where that does not help soon, these
   frames get the solid mask, and the surrogate comes back with the next.

That a face is still found is asked for once, where a track is new: a head that turns away is no refusal.

The mask is not judged: nothing of the face is left under it. Faces that are small, dark or half turned away
are so like one flat grey to the encoder that the gate would refuse whatever is laid over them; they get the
mask at once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, TypeVar

import numpy as np

from veilmesh_ml.anonymizers import AnonymizedImage, Anonymizer
from veilmesh_ml.anonymizers.anonymizer import Recasting
from veilmesh_ml.anonymizers.mask import Mask
from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import CHIP_PX, Engine
from veilmesh_ml.errors import RegionError
from veilmesh_ml.face import Box, Face
from veilmesh_ml.gate import Candidate, ReleaseGate
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import derive
from veilmesh_ml.regions import face_outline, face_region
from veilmesh_ml.sample_features import sample_features
from veilmesh_ml.video.excerpt import REACH, Excerpt, change
from veilmesh_ml.video.place import Place

CAST_ON: Final = 6  # frames of a new track that the gate should pass, and at least half of them
CLIMBS: Final = 3  # within frames that are settled together, before they are masked
CAST_AMONG: Final = 5  # attempts and methods that are tried for a new track; where none helps, as many more
MASK_GROWN: Final = 0.25  # widths of the face, beside the slack

_Where = tuple[int, int]  # frame and track
_Rung = tuple[Anonymizer, int]  # and attempt
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A frame and who is in it.

    Attributes:
        number: from 0.
        picture: uint8 (height, width, 3) RGB.
        places: by the number of the track.
    """

    number: int
    picture: RgbImage = field(repr=False)
    places: Mapping[int, Place]


@dataclass(frozen=True, slots=True, eq=False)
class Disguised:
    """A frame that may go out: the picture, and where it was changed."""

    picture: RgbImage = field(repr=False)
    windows: tuple[Box, ...]


@dataclass(slots=True)
class TrackRecord:
    """What became of a track.

    Attributes:
        number: from 0 in the order of their first sightings.
        first, last: frames.
        frames: how many.
        methods: in how many each method was used.
        left: in how many it was left as it is, because somebody said so (`leaving`).
        unsure: in how many nobody could tell where exactly the face was: it was masked there.
        refused: how often the gate said no.
        judged: frames that the gate attacked; the others it looked at.
        closest_dissimilarity: the best of all attacks and looks at what went out; None where there was none.
    """

    number: int
    first: int
    last: int
    frames: int = 0
    methods: dict[str, int] = field(default_factory=dict)
    left: int = 0
    unsure: int = 0
    refused: int = 0
    judged: int = 0
    closest_dissimilarity: float | None = None


class Disguises:
    """Every track's surrogate."""

    def __init__(self, gate: ReleaseGate, methods: Sequence[Anonymizer], key: bytes) -> None:
        """Gate: who decides. Methods: in order of preference, before the mask. Key: 32 bytes."""
        self._gate = gate
        self._glance = ReleaseGate(
            gate.engine, threshold_dissimilarity=gate.threshold_dissimilarity, level=gate.level, attacks=()
        )
        self._methods = tuple(methods)
        self._key = key
        grey = np.full((1, CHIP_PX, CHIP_PX, 3), Mask().grey, dtype=np.uint8)
        self._nothing = gate.engine.encode_chips(grey)[0]
        self._people: dict[int, _Person] = {}
        self.records: dict[int, TrackRecord] = {}

    def settle(
        self, shots: Sequence[Shot], later: Callable[[Collection[int]], Iterable[Shot]]
    ) -> list[Disguised]:
        """Return these frames with every face changed so that the gate passes it.

        Args:
            shots: frames that follow each other.
            later: of tracks that are new, the `best` frames beyond these, and no others in them.
        """
        scene = _Scene(shots, self._gate.engine)
        self._cast_new(scene, later)
        outputs = [_Output(shot.picture.copy()) for shot in shots]
        for index, (shot, output) in enumerate(zip(shots, outputs, strict=True)):
            self._change(shot, scene, index, shot.places.keys(), output)
        closest: dict[_Where, float | None] = {}
        attacked = {scene.best(track)[0] for track in scene.tracks}
        waiting = set(scene.faces)
        while waiting:
            waiting -= {where for where in waiting if self._people[where[1]].masked}
            batch = sorted(waiting & attacked) or sorted(waiting)
            if not batch:
                break
            gate = self._gate if batch[0] in attacked else self._glance
            candidates = [outputs[where[0]].candidate(scene, where) for where in batch]
            refused: set[int] = set()
            for where, verdict in zip(batch, gate.judge_all(candidates), strict=True):
                closest[where] = verdict.closest_dissimilarity
                if not verdict.passed:
                    refused.add(where[1])
            waiting.difference_update(batch)
            for track in refused:
                self._people[track].climb()
            for index in {index for index, track in scene.faces if track in refused}:
                near = _near(shots[index], refused)
                self._change(shots[index], scene, index, near, outputs[index])
                waiting.update((index, track) for track in near if (index, track) in scene.faces)
        self._record(shots, outputs, closest, attacked)
        for track in scene.tracks:
            self._people[track].go_on()
        return [Disguised(output.picture, output.windows) for output in outputs]

    def state(self, tracks: Collection[int]) -> dict[str, Any]:
        """Return what was decided so far of these tracks, for `resume`, and all records."""
        people = {track: self._people[track].state() for track in tracks if track in self._people}
        return {"people": people, "records": self.records}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Decide as before; with the same methods and key."""
        for track, person in state["people"].items():
            self._people[track] = _Person.of(self._methods, derive(self._key, "track", track))
            self._people[track].resume(person)
        self.records.update(state["records"])

    def _cast_new(self, scene: "_Scene", later: Callable[[Collection[int]], Iterable[Shot]]) -> None:
        new = {track: scene.samples(track) for track in scene.tracks if track not in self._people}
        for shot in later(new) if new else ():
            beyond = _Scene([shot], self._gate.engine)
            for track in beyond.tracks:
                new[track] += beyond.samples(track)
        for track, samples in new.items():
            self._cast(track, samples)

    def _cast(self, track: int, samples: Sequence["_Sample"]) -> None:
        """Find the surrogate that the gate passes on most of these frames; it is chosen for the first.

        One that it passes on all ends the search, and one that it passes on half once `CAST_AMONG` were
        tried. Where none of these was, every second of the others is tried. Where none passes on half, the
        track is masked.
        """
        person = _Person.of(self._methods, derive(self._key, "track", track))
        self._people[track] = person
        if any(self._shows_nothing(sample) for sample in samples):
            person.height = len(person.rungs)
            return
        heights = [*range(len(person.rungs))]
        passed: dict[int, int] = {}
        for height in [*heights[:CAST_AMONG], *heights[CAST_AMONG + 1 :: 2]]:
            passed[height] = self._passed(person.rungs[height], samples, max(passed.values(), default=0))
            if passed[height] == len(samples) or (len(passed) >= CAST_AMONG and any(passed.values())):
                break
        best = max(passed, key=lambda height: passed[height])
        person.refused = len(passed) - (passed[best] == len(samples))
        person.height = best if 2 * passed[best] >= len(samples) else len(person.rungs)

    def _passed(self, rung: "_Rung", samples: Sequence["_Sample"], surpassing: int) -> int:
        """Return on how many of these frames the gate passes it; 0 where on less than half, or on no more.

        After the first, those that were refused most often come first: they decide soonest.
        """
        may_be_refused = len(samples) - max(surpassing + 1, (len(samples) + 1) // 2)
        first, *others = samples
        refused = 0
        for sample in (first, *sorted(others, key=lambda each: -each.refused)):
            if not self._passes(rung, sample):
                sample.refused += 1
                refused += 1
                if refused > may_be_refused:
                    return 0
        return len(samples) - refused

    def _passes(self, rung: "_Rung", sample: "_Sample") -> bool:
        """Whether the gate passes it; what it would refuse as it is, is not attacked."""
        changed = sample.excerpt.anonymized(*rung)
        candidate = Candidate(changed, sample.excerpt.face, sample.original)
        bare = replace(candidate, anonymized=replace(changed, face_findable=False))
        return all(
            gate.judge_all([each])[0].passed for gate, each in ((self._glance, bare), (self._gate, candidate))
        )

    def _shows_nothing(self, sample: "_Sample") -> bool:
        """Whether one flat grey would already be refused."""
        return bool(np.linalg.norm(sample.original - self._nothing) <= self._gate.limit_dissimilarity)

    def _change(
        self, shot: Shot, scene: "_Scene", index: int, tracks: Collection[int], output: "_Output"
    ) -> None:
        """Change these faces of a frame, those that are masked last; undo first what was done to them."""
        rungs: list[tuple[int, _Rung]] = []
        for track, place in shot.places.items():
            if track not in tracks:
                continue
            if (index, track) in scene.faces and not self._people[track].masked:
                rungs.append((track, self._people[track].rung))
            elif _is_in(shot.picture, place.face):
                rungs.append((track, (Mask(grow=min(1.0, MASK_GROWN + place.slack)), 0)))
        output.undo(tracks, shot.picture)
        for track, rung in sorted(rungs, key=lambda rung: rung[1][0].name == Mask.name):
            face, (anonymizer, attempt) = shot.places[track].face, rung
            if isinstance(anonymizer, Mask):
                output.faces[track] = anonymizer.cover(output.picture, face, attempt=attempt)
            else:
                output.faces[track] = change(output.picture, face, anonymizer, attempt)

    def _record(
        self,
        shots: Sequence[Shot],
        outputs: Sequence["_Output"],
        closest: Mapping[_Where, float | None],
        attacked: set[_Where],
    ) -> None:
        for index, shot in enumerate(shots):
            for track, changed in outputs[index].faces.items():
                record = self.records.setdefault(track, TrackRecord(track, shot.number, shot.number))
                record.last = shot.number
                record.frames += 1
                record.methods[changed.method] = record.methods.get(changed.method, 0) + 1
                record.unsure += shot.places[track].slack > 0
                record.refused = self._people[track].refused if track in self._people else 0
                if changed.method == Mask.name or (index, track) not in closest:
                    continue
                record.judged += (index, track) in attacked
                found = [record.closest_dissimilarity, closest[index, track]]
                record.closest_dissimilarity = min((each for each in found if each is not None), default=None)


@dataclass(slots=True, eq=False)
class _Person:
    """The ladder of one track, from what was asked for to the mask, and how far it was climbed."""

    rungs: tuple[_Rung, ...]
    height: int = 0
    refused: int = 0
    _climbed: int = 0  # within frames that are settled together

    @classmethod
    def of(cls, methods: Sequence[Anonymizer], key: bytes) -> "_Person":
        own = [method.for_person(key) if isinstance(method, Recasting) else method for method in methods]
        return cls(tuple((method, attempt) for method in own for attempt in range(method.attempts)))

    def state(self) -> dict[str, Any]:
        """Return what `of` does not know."""
        return {
            "height": self.height,
            "refused": self.refused,
            "chosen": [method.chosen for method in self._recasting()],
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        self.height, self.refused = state["height"], state["refused"]
        for method, chosen in zip(self._recasting(), state["chosen"], strict=True):
            method.choose_again(chosen)

    def _recasting(self) -> list[Recasting]:
        methods = {id(method): method for method, _ in self.rungs}
        return [method for method in methods.values() if isinstance(method, Recasting)]

    @property
    def masked(self) -> bool:
        """Whether it gets the mask: for good, or in the frames that are settled now."""
        return self._climbed > CLIMBS or self.height + self._climbed >= len(self.rungs)

    @property
    def rung(self) -> _Rung:
        return self.rungs[self.height + self._climbed]

    def climb(self) -> None:
        """Go on to what hides more: the gate refused this."""
        self.refused += 1
        self._climbed += 1

    def go_on(self) -> None:
        """Keep what helped; where only the mask did, come back to what was before."""
        if not self.masked:
            self.height += self._climbed
        self._climbed = 0


@dataclass(eq=False)
class _Sample:
    """A face before it was changed.

    Attributes:
        engine: encodes it, where its features are asked for.
        excerpt: the face.
        refused: how often the gate said no to a surrogate for it.
    """

    engine: Engine
    excerpt: Excerpt
    refused: int = 0

    @cached_property
    def original(self) -> Features:
        """Its features, float64 (d,)."""
        found: Features = sample_features(self.engine, self.excerpt.picture, [self.excerpt.face])[0]
        return found


class _Scene:
    """The frames that are settled together, and those faces in them that are where they seem to be."""

    def __init__(self, shots: Sequence[Shot], engine: Engine) -> None:
        self.faces: dict[_Where, Face] = {
            (index, track): place.face
            for index, shot in enumerate(shots)
            for track, place in shot.places.items()
            if not place.slack and _is_in(shot.picture, place.face)
        }
        self.tracks = sorted({track for _, track in self.faces})
        self._shots = shots
        self._engine = engine
        self._samples: dict[_Where, _Sample] = {}

    def sample(self, where: _Where) -> _Sample:
        if where not in self._samples:
            excerpt = Excerpt.of(self._shots[where[0]].picture, self.faces[where])
            self._samples[where] = _Sample(self._engine, excerpt)
        return self._samples[where]

    def best(self, track: int) -> list[_Where]:
        return best({where: self._shots[where[0]].places[track] for where in self.faces if where[1] == track})

    def samples(self, track: int) -> list[_Sample]:
        return [self.sample(where) for where in self.best(track)]


def best(places: Mapping[_Key, Place]) -> list[_Key]:
    """Return half of `CAST_ON` of a track's frames: where the detector found it, and it is large."""
    order = sorted(places, key=lambda each: (not places[each].seen, -places[each].width_px))
    return order[: CAST_ON // 2]


@dataclass(frozen=True, slots=True, eq=False)
class _Output:
    """A frame whose faces are changed, in place, and how each was."""

    picture: RgbImage
    faces: dict[int, AnonymizedImage] = field(default_factory=dict)

    @property
    def windows(self) -> tuple[Box, ...]:
        return tuple(area.window for changed in self.faces.values() for area in changed.changed)

    def undo(self, tracks: Collection[int], original: RgbImage) -> None:
        """Bring the original back where these were changed: with all whose windows meet theirs."""
        for track in tracks:
            for area in self.faces[track].changed if track in self.faces else ():
                part = slice(area.window.top, area.window.bottom), slice(area.window.left, area.window.right)
                self.picture[part] = original[part]
            self.faces.pop(track, None)

    def candidate(self, scene: _Scene, where: _Where) -> Candidate:
        """Return a face of it for the gate, which is not to look whether one is still found."""
        whole = replace(self.faces[where[1]], image=self.picture, face_findable=False)
        return Candidate(whole, scene.faces[where], scene.sample(where).original)


def _near(shot: Shot, tracks: Collection[int]) -> set[int]:
    """Return those of these tracks that are in a frame, and all whose changes may lie upon theirs."""
    boxes = {track: place.box.grown(REACH) for track, place in shot.places.items()}
    near: set[int] = set()
    more = {track for track in tracks if track in boxes}
    while more:
        near |= more
        more = {
            track
            for track, box in boxes.items()
            if track not in near and any(box.overlap(boxes[other]) for other in near)
        }
    return near


def _is_in(picture: RgbImage, face: Face) -> bool:
    outline = face_outline(face.landmarks)
    if (outline >= 0).all() and (outline < picture.shape[1::-1]).all():
        return True
    try:
        face_region(picture.shape, face)
    except RegionError:
        return False
    return True
