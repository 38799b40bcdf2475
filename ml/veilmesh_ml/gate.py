"""The release gate: tries to recognise every anonymized face, and says no where it can.

For each face, in this order:

1. direct: the anonymized picture as it is, with the landmarks that the original had (an attacker may know
   them);
2. each attack (`attacks.py`), again with the known landmarks;
3. after each of these, wherever the detector finds a face there, with the landmarks it finds;
4. where the method promises that a face is still found: that it is.

Where the surroundings of a face are one flat colour there is nothing left to attack, and that is the only
check. (An encoder makes features even of nothing, and for one face in fifty they lie near the limit.)

Every comparison is with the features of the very photo that was anonymized, the closest reference an
attacker could hold, and has to stay above threshold + margin. Anything else is a refusal, also a
comparison that could not be computed.

What the gate does not know: encoders other than its engine's. It therefore asks for a margin, and what a
method gives away to another encoder is measured apart.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage
from veilmesh_ml.attacks import ATTACKED_FACE_PX, STANDARD_ATTACKS, Attack
from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY, Features, dissimilarity
from veilmesh_ml.engine import Engine
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.regions import surroundings

FOUND_AGAIN_OVERLAP = 0.3  # a face found there counts as this one


class GateLevel(StrEnum):
    """How far above the threshold every comparison has to stay."""

    STANDARD = "standard"
    STRICT = "strict"

    @property
    def margin_dissimilarity(self) -> float:
        return {GateLevel.STANDARD: 0.02, GateLevel.STRICT: 0.05}[self]


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One attempt to recognise one face.

    Attributes:
        name: the attack, with "known landmarks" or "detected"; or "face findable".
        face: index of the face.
        passed: the attempt failed to recognise it (or, for "face findable", found a face).
        dissimilarity: to the original; None where nothing was compared.
        limit: what it has to exceed.
        ms: time the check took, in milliseconds.
    """

    name: str
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


class ReleaseGate:
    """Judges anonymized pictures with one engine, at one threshold and level."""

    def __init__(
        self,
        engine: Engine,
        *,
        threshold_dissimilarity: float = DLIB_THRESHOLD_DISSIMILARITY,
        level: GateLevel = GateLevel.STANDARD,
        attacks: Sequence[Attack] = STANDARD_ATTACKS,
    ) -> None:
        """Threshold: the consortium's, at or below which two faces match."""
        self.engine = engine
        self.threshold_dissimilarity = threshold_dissimilarity
        self.level = level
        self.attacks = tuple(attacks)

    @property
    def limit_dissimilarity(self) -> float:
        return self.threshold_dissimilarity + self.level.margin_dissimilarity

    def judge(self, anonymized: AnonymizedImage, faces: list[Face], originals: Features) -> GateVerdict:
        """Attack every face, and leave a face alone once it was recognised: it is refused already.

        Args:
            anonymized: what is to be released.
            faces: as they were found in the original picture.
            originals: their features there, float64 (n, 128).
        """
        checks: list[GateCheck] = []
        for index, face in enumerate(faces):
            for check in self._attack(anonymized, face, index, originals[index]):
                checks.append(check)
                if not check.passed:
                    break
        return GateVerdict(anonymized.method, self.level, self.threshold_dissimilarity, tuple(checks))

    def _attack(
        self, anonymized: AnonymizedImage, face: Face, index: int, original: Features
    ) -> Iterator[GateCheck]:
        window, inside = surroundings(anonymized.image, face)
        if (window == window[0, 0]).all():
            yield GateCheck("nothing left to see", index, not anonymized.face_findable, None, None, 0.0)
            return
        yield from self._compare("direct", window, inside, index, original)
        if anonymized.face_findable:
            yield self._findable(window, inside, index)
        window, inside = surroundings(anonymized.image, face, ATTACKED_FACE_PX)
        for attack in self.attacks:
            yield from self._compare(attack.name, attack.restore(window, inside), inside, index, original)

    def _compare(
        self, attack: str, image: RgbImage, known: Face, index: int, original: Features
    ) -> Iterator[GateCheck]:
        attempts = [(f"{attack}, known landmarks", known)]
        attempts += [(f"{attack}, detected", face) for face in self._found_again(image, known)]
        for name, face in attempts:
            started = time.perf_counter()
            features = self.engine.encode(image, [face])[0]
            found = dissimilarity(features, original) if np.isfinite(features).all() else None
            passed = found is not None and found > self.limit_dissimilarity
            yield GateCheck(name, index, passed, found, self.limit_dissimilarity, _ms_since(started))

    def _findable(self, image: RgbImage, known: Face, index: int) -> GateCheck:
        started = time.perf_counter()
        passed = bool(self._found_again(image, known))
        return GateCheck("face findable", index, passed, None, None, _ms_since(started))

    def _found_again(self, image: RgbImage, known: Face) -> list[Face]:
        return [
            face for face in self.engine.detect(image) if face.box.overlap(known.box) >= FOUND_AGAIN_OVERLAP
        ]


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
