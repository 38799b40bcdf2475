"""The release gate: tries to recognise every anonymized face, and says no where it can.

For each face:

1. With the landmarks that the original had, for an attacker may know them: the anonymized face as it is,
   and after each attack (`attacks.py`), all of them in one batch of the encoder. A face recognised here is
   refused already, and left alone.
2. With landmarks found anew, in a second batch: after those attacks that look for them. Where the method
   promises that a face is still found, the detector is asked once, near the face, and its landmarks are
   tried too.

Where the surroundings of a face are one flat colour there is nothing left to attack, and that is the only
check. (An encoder makes features even of nothing, and for one face in fifty they lie near the limit.)

Every comparison is with the features of the very photo that was anonymized, the closest reference an
attacker could hold, and has to stay above the limit, less what the attack brings strangers nearer; as nodes
compare faces, with the mirror image (`sample_features`), and without. Anything else is a refusal, also a
comparison that could not be computed.

What the gate does not know: encoders other than its engine's, which recognise what it does not. Its limit is
therefore a dissimilarity at which another encoder was measured to recognise hardly anybody any more, whatever
lower threshold the consortium's matching uses: `docs/faces.md`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage
from veilmesh_ml.attacks import ATTACKED_FACE_PX, GATE_ATTACKS, Attack
from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY, Features
from veilmesh_ml.engine import Engine
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import ENCODER
from veilmesh_ml.regions import surroundings
from veilmesh_ml.sample_features import mirrors
from veilmesh_ml.threads import default_threads

FOUND_AGAIN_OVERLAP: Final = 0.3  # a face found there counts as this one
FINDABLE_WITHIN: Final = 0.4  # of the box, on every side: a face that is still there is found within
# How much a detected face's dissimilarity depends on where HOG's grid happens to lie (for 19 of 20 surrogates
# less): what passes by less passes by luck.
GRID_LUCK: Final = 0.006
FACES_AT_ONCE: Final = 8  # whose chips are held together
MIRROR_WITHIN: Final = 0.03  # above the limit; farther off it rarely decides: docs/faces.md


class GateLevel(StrEnum):
    """How far above the threshold every comparison has to stay."""

    STANDARD = "standard"
    STRICT = "strict"

    @property
    def margin_dissimilarity(self) -> float:
        return {GateLevel.STANDARD: 0.02, GateLevel.STRICT: 0.05}[self]


class Promise(StrEnum):
    """What a method promises of its results, and a check puts to the test."""

    UNRECOGNISED = "unrecognised"  # every method
    FACE_FINDABLE = "face findable"  # those whose result says so


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One attempt to find a promise broken.

    Attributes:
        name: the attack, with "known landmarks", "landmarks found anew" or "detected"; or "face findable".
        promise: the one that is tested.
        face: index of the face.
        passed: it was kept.
        dissimilarity: to the original; None where nothing was compared.
        limit: what it has to exceed.
        ms: time the check took, in milliseconds, with its share of the encoder's batch.
    """

    name: str
    promise: Promise
    face: int
    passed: bool
    dissimilarity: float | None
    limit: float | None
    ms: float


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether a result may be released, and every check behind that."""

    method: str
    level: GateLevel
    threshold_dissimilarity: float
    checks: tuple[GateCheck, ...]

    @property
    def passed(self) -> bool:
        """No checks, no release: a picture whose faces were not looked at has not passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def closest_dissimilarity(self) -> float | None:
        """The attacker's best attempt over all faces."""
        return min(
            (check.dissimilarity for check in self.checks if check.dissimilarity is not None), default=None
        )

    @property
    def ms(self) -> float:
        """What the attacks cost, in milliseconds."""
        return sum(check.ms for check in self.checks)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One face of one picture that is to be released.

    Attributes:
        anonymized: the picture; other faces in it are not looked at.
        face: as it was found in the original picture.
        original: its features there, as `sample_features` gives them, float64 (128,).
    """

    anonymized: AnonymizedImage
    face: Face
    original: Features = field(repr=False)


class ReleaseGate:
    """Judges anonymized pictures with one engine, at one threshold and level."""

    def __init__(
        self,
        engine: Engine,
        *,
        threshold_dissimilarity: float = DLIB_THRESHOLD_DISSIMILARITY,
        level: GateLevel = GateLevel.STANDARD,
        attacks: Sequence[Attack] = GATE_ATTACKS,
    ) -> None:
        """Threshold: the consortium's, at or below which two faces match."""
        self.engine = engine
        self.threshold_dissimilarity = threshold_dissimilarity
        self.level = level
        self.attacks = tuple(attacks)
        self._pool = ThreadPoolExecutor(default_threads(), thread_name_prefix="gate")

    @property
    def limit_dissimilarity(self) -> float:
        """What a comparison has to exceed; after an attack, less by what that brings strangers nearer.

        For dlib's encoder never less than dlib's own threshold and the margin: a consortium that matches more
        strictly does not thereby hide less.
        """
        at_least = DLIB_THRESHOLD_DISSIMILARITY if self.engine.model_digest == ENCODER.sha256 else 0.0
        return max(self.threshold_dissimilarity, at_least) + self.level.margin_dissimilarity

    def judge(self, anonymized: AnonymizedImage, faces: list[Face], originals: Features) -> GateVerdict:
        """Attack every face of one picture.

        Args:
            anonymized: what is to be released.
            faces: as they were found in the original picture.
            originals: their features there, as `sample_features` gives them, float64 (n, 128).
        """
        candidates = [
            Candidate(anonymized, face, original) for face, original in zip(faces, originals, strict=True)
        ]
        cases = self._attack(candidates)
        checks = [replace(check, face=index) for index, case in enumerate(cases) for check in case.checks]
        return self._verdict(anonymized, checks)

    def judge_all(self, candidates: Sequence[Candidate]) -> list[GateVerdict]:
        """Attack single faces, of one or many pictures; one verdict each, in their order.

        Any number: their chips are encoded together, a few faces at a time.
        """
        return [self._verdict(case.candidate.anonymized, case.checks) for case in self._attack(candidates)]

    def _verdict(self, anonymized: AnonymizedImage, checks: Sequence[GateCheck]) -> GateVerdict:
        return GateVerdict(anonymized.method, self.level, self.threshold_dissimilarity, tuple(checks))

    def _attack(self, candidates: Sequence[Candidate]) -> list["_Case"]:
        """Attack a few faces at a time; several of these are looked at at once."""
        each: _Map = map if len(candidates) == 1 or default_threads() == 1 else self._pool.map
        cases: list[_Case] = []
        for start in range(0, len(candidates), FACES_AT_ONCE):
            batch = [_Case.of(candidate) for candidate in candidates[start : start + FACES_AT_ONCE]]
            for look in (self._with_known_landmarks, self._with_landmarks_found_anew):
                undecided = [case for case in batch if case.undecided]
                views = each(partial(_views, look), undecided)
                self._compare(
                    [(case, view) for case, of_it in zip(undecided, views, strict=True) for view in of_it]
                )
            cases += batch
        return cases

    def _with_known_landmarks(self, case: "_Case") -> Iterator["_View"]:
        """Cut the face out once, and let the attacks work on that: it is all that the encoder sees."""
        started = time.perf_counter()
        chip = self.engine.align(case.window, case.face)
        yield _View("direct, known landmarks", chip, 0.0, _ms_since(started))
        for attack in self.attacks:
            started = time.perf_counter()
            restored = attack.restore(chip, ATTACKED_FACE_PX)
            yield _View(f"{attack.name}, known landmarks", restored, attack.nearer, _ms_since(started))

    def _with_landmarks_found_anew(self, case: "_Case") -> Iterator["_View"]:
        """Look at the restored surroundings; and, where that is promised, for the face itself."""
        window, face = surroundings(case.candidate.anonymized.image, case.candidate.face, ATTACKED_FACE_PX)
        if case.candidate.anonymized.face_findable:
            yield from self._detected(case, window, face)
        height, width, _ = window.shape
        box = face.box.within(height, width)
        if not (box.width and box.height):
            return  # only what is around the face lies in the picture
        for attack in self.attacks:
            if attack.looks_again:
                started = time.perf_counter()
                restored = attack.restore(window, float(face.box.width))
                chip = self.engine.align(restored, self.engine.face_in(restored, box))
                name = f"{attack.name}, landmarks found anew"
                yield _View(name, chip, attack.nearer, _ms_since(started))

    def _detected(self, case: "_Case", window: RgbImage, known: Face) -> Iterator["_View"]:
        """Check that the face is found, and look at it as it was found."""
        started = time.perf_counter()
        near = known.box.grown(FINDABLE_WITHIN).within(*window.shape[:2])
        part = np.ascontiguousarray(window[near.top : near.bottom, near.left : near.right])
        faces = self.engine.detect(part) if part.size else []
        found = [
            face
            for face in (each.moved(near.left, near.top) for each in faces)
            if face.box.overlap(known.box) >= FOUND_AGAIN_OVERLAP
        ]
        promise = Promise.FACE_FINDABLE
        case.checks.append(GateCheck(promise.value, promise, 0, bool(found), None, None, _ms_since(started)))
        for face in found:
            started = time.perf_counter()
            chip = self.engine.align(window, face)
            yield _View("direct, detected", chip, -GRID_LUCK, _ms_since(started))

    def _compare(self, views: Sequence[tuple["_Case", "_View"]]) -> None:
        """Encode all views in one batch, and enter what came of each."""
        if not views:
            return
        started = time.perf_counter()
        chips = np.stack([view.chip for _, view in views])
        originals = np.stack([case.candidate.original for case, _ in views])
        limits = self.limit_dissimilarity - np.array([view.nearer for _, view in views])
        closest = self._closest(chips, originals, limits)
        share_ms = _ms_since(started) / len(views)
        for (case, view), found, limit in zip(views, closest.tolist(), limits.tolist(), strict=True):
            case.checks.append(
                GateCheck(
                    view.name,
                    Promise.UNRECOGNISED,
                    face=0,
                    passed=found > limit,
                    dissimilarity=found if np.isfinite(found) else None,
                    limit=limit,
                    ms=view.ms + share_ms,
                )
            )

    def _closest(self, chips: NDArray[np.uint8], originals: Features, limits: Features) -> Features:
        """Return each chip's dissimilarity to its original, (n,), by itself or with its mirror image.

        The mirror image costs another encoding, and is looked at where it may decide. NaN stands for what
        could not be computed.
        """
        encoded = self.engine.encode_chips(chips)
        closest = np.linalg.norm(encoded - originals, axis=1)
        undecided = np.flatnonzero((closest > limits) & (closest <= limits + MIRROR_WITHIN))
        if len(undecided) and mirrors(self.engine):
            both = (encoded[undecided] + self.engine.encode_chips(chips[undecided, :, ::-1])) / 2
            with_mirror = np.linalg.norm(both - originals[undecided], axis=1)
            closest[undecided] = np.minimum(closest[undecided], with_mirror)
        return np.asarray(closest)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What an attacker looks at: an aligned face, and what it cost to make."""

    name: str
    chip: RgbImage  # uint8 (150, 150, 3)
    nearer: float  # see `Attack`
    ms: float


_Look: TypeAlias = Callable[["_Case"], Iterator[_View]]
_Map: TypeAlias = Callable[[Callable[["_Case"], list[_View]], Iterable["_Case"]], Iterable[list[_View]]]


def _views(look: _Look, case: "_Case") -> list[_View]:
    return list(look(case))


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A candidate under attack: the window around its face, the face in there, and the checks so far."""

    candidate: Candidate
    window: RgbImage
    face: Face
    flat: bool
    checks: list[GateCheck]

    @classmethod
    def of(cls, candidate: Candidate) -> "_Case":
        anonymized = candidate.anonymized
        window, face = surroundings(anonymized.image, candidate.face)
        flat = bool((window == window[0, 0]).all())
        if not flat:
            return cls(candidate, window, face, flat, [])
        findable = anonymized.face_findable
        promise = Promise.FACE_FINDABLE if findable else Promise.UNRECOGNISED
        check = GateCheck("nothing left to see", promise, 0, not findable, None, None, 0.0)
        return cls(candidate, window, face, flat, [check])

    @property
    def undecided(self) -> bool:
        return not self.flat and all(check.passed for check in self.checks)


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
