"""Anonymize until the gate agrees: next attempt, next method, solid mask, or nothing at all.

Each face is settled on its own, so that one stubborn face does not cost the others more than they need:

1. for every face, the first method and attempt whose result the gate passes, tried on the original picture;
2. all of them applied to one picture, those that can be undone last, so that their owner can still undo them;
3. faces that lie close to another changed face are judged once more in the final picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from veilmesh_ml.anonymizers import Anonymizer, ChangedArea, load_anonymizer
from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, Parameter
from veilmesh_ml.anonymizers.recovery import Recovery
from veilmesh_ml.comparison import Features
from veilmesh_ml.errors import AnonymizeError, GateRefusedError
from veilmesh_ml.face import Face
from veilmesh_ml.gate import FACES_AT_ONCE, Candidate, GateVerdict, ReleaseGate
from veilmesh_ml.image import RgbImage
from veilmesh_ml.regions import SURROUNDINGS
from veilmesh_ml.sample_features import sample_features

DEFAULT_METHOD = "cluster"


@dataclass(frozen=True, slots=True)
class ReleasedFace:
    """How one face was anonymized.

    Attributes:
        method: the anonymizer that the gate passed, and what it ran with.
        parameters: without keys.
        changed: where.
        verdict: the gate's, passed.
    """

    method: str
    parameters: Mapping[str, Parameter]
    changed: ChangedArea
    verdict: GateVerdict


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """A picture that may go out.

    Attributes:
        image: uint8 (height, width, 3) RGB.
        faces: one entry per face, in their order.
        refused: the gate's verdicts on what was tried before, in order.
        recovery: how the key's owner undoes what can be undone; None where nothing can.
    """

    image: RgbImage = field(repr=False)
    faces: tuple[ReleasedFace, ...]
    refused: tuple[GateVerdict, ...] = field(repr=False)
    recovery: Recovery | None = field(default=None, repr=False)

    @property
    def method(self) -> str:
        """The methods in it, joined by "+" where faces needed different ones."""
        return "+".join(sorted({face.method for face in self.faces}))

    @property
    def closest_dissimilarity(self) -> float | None:
        """The best of all attacks on any face; None where nothing was left to attack."""
        found = (face.verdict.closest_dissimilarity for face in self.faces)
        return min((value for value in found if value is not None), default=None)


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    """What the gate passed for one face, and what it refused before."""

    anonymizer: Anonymizer
    attempt: int
    anonymized: AnonymizedImage  # without its picture: hundreds of faces would hold hundreds of those
    verdict: GateVerdict
    refused: tuple[GateVerdict, ...]


def release(
    image: RgbImage, faces: list[Face], gate: ReleaseGate, methods: Sequence[Anonymizer] | None = None
) -> Release:
    """Return the picture with every face anonymized so that the gate passes it.

    Args:
        image: uint8 (height, width, 3) RGB.
        faces: found in it; at least one.
        gate: who decides.
        methods: in order of preference; by default `DEFAULT_METHOD`. The solid mask is always tried last.

    Raises:
        GateRefusedError: nothing passed for some face; carries the verdicts.
        AnonymizeError: there is no face to anonymize.
        RegionError: a face lies outside the picture.
    """
    if not faces:
        raise AnonymizeError("there is no face to anonymize", hint="a missed face would go out as it is")
    ordered = [*([load_anonymizer(DEFAULT_METHOD)] if methods is None else methods), load_anonymizer("mask")]
    originals = sample_features(gate.engine, image, faces)
    choices: list[_Choice] = []
    for start in range(0, len(faces), FACES_AT_ONCE):
        batch = slice(start, start + FACES_AT_ONCE)
        choices += _first_passing(image, faces[batch], gate, originals[batch], ordered)
    refused = tuple(verdict for choice in choices for verdict in choice.refused)
    final, recovery = _apply(image, faces, choices)
    close = _close_to_another(faces, choices)
    candidates = [
        Candidate(replace(choices[index].anonymized, image=final), faces[index], originals[index])
        for index in close
    ]
    verdicts = gate.judge_all(candidates)
    if not all(verdict.passed for verdict in verdicts):
        raise GateRefusedError((*refused, *(verdict for verdict in verdicts if not verdict.passed)))
    for index, verdict in zip(close, verdicts, strict=True):
        choices[index] = replace(choices[index], verdict=verdict)
    return Release(final, tuple(_released(choice) for choice in choices), refused, recovery)


def _first_passing(
    image: RgbImage, faces: list[Face], gate: ReleaseGate, originals: Features, methods: Sequence[Anonymizer]
) -> list[_Choice]:
    """Try methods and attempts in order on all faces at once; each takes the first that the gate passes.

    Raises:
        GateRefusedError: nothing passed for some face.
    """
    choices: dict[int, _Choice] = {}
    refused: dict[int, list[GateVerdict]] = {index: [] for index in range(len(faces))}
    for anonymizer in methods:
        for attempt in range(anonymizer.attempts):
            waiting = [index for index in refused if index not in choices]
            candidates = [
                Candidate(
                    anonymizer.anonymize(image, [faces[index]], attempt=attempt),
                    faces[index],
                    originals[index],
                )
                for index in waiting
            ]
            for index, candidate, verdict in zip(
                waiting, candidates, gate.judge_all(candidates), strict=True
            ):
                if verdict.passed:
                    anonymized = replace(candidate.anonymized, image=image[:0])
                    before = tuple(refused[index])
                    choices[index] = _Choice(anonymizer, attempt, anonymized, verdict, before)
                else:
                    refused[index].append(verdict)
    if len(choices) < len(faces):
        raise GateRefusedError(
            tuple(verdict for index in refused if index not in choices for verdict in refused[index])
        )
    return [choices[index] for index in range(len(faces))]


def _apply(image: RgbImage, faces: list[Face], choices: list[_Choice]) -> tuple[RgbImage, Recovery | None]:
    recovery: Recovery | None = None
    final = image
    undone_last = sorted(range(len(faces)), key=lambda index: choices[index].anonymized.recovery is not None)
    for index in undone_last:
        choice = choices[index]
        anonymized = choice.anonymizer.anonymize(final, [faces[index]], attempt=choice.attempt)
        final = anonymized.image
        if anonymized.recovery is not None:
            recovery = anonymized.recovery if recovery is None else anonymized.recovery.after(recovery)
    return final, recovery


def _close_to_another(faces: list[Face], choices: list[_Choice]) -> list[int]:
    """Faces whose surroundings another face's change reaches into."""
    return [
        index
        for index, face in enumerate(faces)
        if any(
            face.box.grown(SURROUNDINGS).overlap(area.window) > 0
            for other, choice in enumerate(choices)
            if other != index
            for area in choice.anonymized.changed
        )
    ]


def _released(choice: _Choice) -> ReleasedFace:
    anonymized = choice.anonymized
    return ReleasedFace(anonymized.method, anonymized.parameters, anonymized.changed[0], choice.verdict)
