"""How near a method's outputs are, as a set, to photos of the same people.

The real set is one original of each person judged; the other is an output of *another* photo of each, so both
have as many pictures, of the same people, and no picture stands beside itself. The originals of those other
photos are the "original" row: what nothing but chance and another moment make of the same people. A set
compared with itself would have 0, and every method would look bad beside that.

Spaces are those of our own networks, dlib's encoder and, where it ships, the classifier of expressions:
values stand beside each other within a space, and beside no published score of Inception's features.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.distributions import Coverage, Features, coverage, frechet_distance
from veilmesh_ml.evaluate.estimates import NORMAL_95, Estimate
from veilmesh_ml.evaluate.measuring import Method, Subject, read_photo
from veilmesh_ml.expression_reader import ExpressionReader, expression_chip

FEWEST: Final = 20  # people of whom a Fréchet distance says something
_LEFT_OUT_ONE_IN: Final = 10  # people at a time, for the interval


@dataclass(frozen=True, slots=True)
class SetLikeness:
    """In one space.

    Attributes:
        frechet: squared Fréchet distance, 0 or more, with a jackknife's interval; it falls as sets grow, so
            only sets of one size compare.
        coverage: outputs among the originals, and originals among the outputs.
    """

    frechet: Estimate
    coverage: Coverage

    @classmethod
    def of(cls, real: Features, outputs: Features) -> Self:
        """Compare two sets, (n, d), whose n-th rows show the same person."""
        return cls(_frechet(real, outputs), coverage(real, outputs))

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        return {
            "frechet_distance": self.frechet.document(),
            "precision": self.coverage.precision.document(),
            "recall": self.coverage.recall.document(),
        }


def measure_expressions(subjects: Sequence[Subject], method: Method) -> Arrays:
    """Return `expression` (n, 512): what the classifier sees where the original's face was.

    Called in a worker.
    """
    chips = [
        expression_chip(
            method.apply(read_photo(subject.photo), subject.face, "probe", subject.photo.path),
            subject.face.landmarks,
        )
        for subject in subjects
    ]
    return {"expression": ExpressionReader(threads=1).read_and_describe(np.stack(chips))[1]}


def _frechet(real: Features, outputs: Features) -> Estimate:
    """Leave out a tenth of the people at a time: the delete-a-group jackknife (Shao and Tu 1995, 2.3)."""
    if len(real) < FEWEST:
        return Estimate(math.nan, math.nan, math.nan, len(real))
    groups = np.arange(len(real)) % _LEFT_OUT_ONE_IN
    partial = np.array(
        [
            frechet_distance(real[groups != group], outputs[groups != group])
            for group in range(_LEFT_OUT_ONE_IN)
        ]
    )
    error = math.sqrt((_LEFT_OUT_ONE_IN - 1) * float(partial.var()))
    value = frechet_distance(real, outputs)
    return Estimate(value, max(0.0, value - NORMAL_95 * error), value + NORMAL_95 * error, len(real))
