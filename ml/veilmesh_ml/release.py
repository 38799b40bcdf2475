"""Anonymize until the gate agrees: next attempt, next method, solid mask, or nothing at all."""

from collections.abc import Sequence
from dataclasses import dataclass

from veilmesh_ml.anonymizers import AnonymizedImage, Anonymizer, load_anonymizer
from veilmesh_ml.errors import GateRefusedError
from veilmesh_ml.face import Face
from veilmesh_ml.gate import GateVerdict, ReleaseGate
from veilmesh_ml.image import RgbImage

DEFAULT_METHODS = ("blur",)


@dataclass(frozen=True, slots=True)
class Release:
    """A picture that may go out.

    Attributes:
        anonymized: the picture.
        verdict: the gate's, passed.
        refused: verdicts on what was tried before it, in order.
    """

    anonymized: AnonymizedImage
    verdict: GateVerdict
    refused: tuple[GateVerdict, ...]


def release(
    image: RgbImage, faces: list[Face], gate: ReleaseGate, methods: Sequence[Anonymizer] | None = None
) -> Release:
    """Return the first result that passes the gate.

    Args:
        image: uint8 (height, width, 3) RGB.
        faces: found in it; at least one.
        gate: who decides.
        methods: in order of preference; by default `DEFAULT_METHODS`. The solid mask is always tried last.

    Raises:
        GateRefusedError: nothing passed; carries all verdicts.
        RegionError: a face lies outside the picture.
    """
    chosen = [load_anonymizer(name) for name in DEFAULT_METHODS] if methods is None else list(methods)
    originals = gate.engine.encode(image, faces)
    refused: list[GateVerdict] = []
    for anonymizer in (*chosen, load_anonymizer("mask")):
        for attempt in range(anonymizer.attempts):
            anonymized = anonymizer.anonymize(image, faces, attempt=attempt)
            verdict = gate.judge(anonymized, faces, originals)
            if verdict.passed:
                return Release(anonymized, verdict, tuple(refused))
            refused.append(verdict)
    raise GateRefusedError(tuple(refused))
