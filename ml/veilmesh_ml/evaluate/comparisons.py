"""Scores: of given pairs of photos, and of every photo with every other.

Photos without features are not passed over: a mated comparison with one is infinitely dissimilar, so it
counts as a false non-match. A non-mated one is left out, for it would only make the FMR look better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.evaluate.rates import Scores

ROWS_AT_ONCE = 512  # of the table of all comparisons, which is never held as a whole

Vectors: TypeAlias = Features  # (n, d); a row of not-a-numbers for a photo without features


@dataclass(frozen=True, slots=True, eq=False)
class AllComparisons:
    """Every photo with every other, once.

    Attributes:
        mated: float32 (m,), infinity where a photo has no features.
        mated_person: int64 (m,), whose comparison it is.
        non_mated: float32 (k,).
    """

    mated: Scores = field(repr=False)
    mated_person: NDArray[np.int64] = field(repr=False)
    non_mated: Scores = field(repr=False)


def euclidean(first: Vectors, second: Vectors) -> Scores:
    """Return the distance of each row to its counterpart; infinity where one is missing."""
    return _missing_is_infinite(np.linalg.norm(first - second, axis=1))


def unit(vectors: Vectors) -> Vectors:
    """Scale rows to length 1: the squared Euclidean distance of such is twice the cosine distance."""
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def compare_all(vectors: Vectors, person: Sequence[str]) -> AllComparisons:
    """Compare every photo with every other.

    Args:
        vectors: float64 (n, d).
        person: whom each photo shows. Memory grows with the square of n: 4 bytes a comparison.
    """
    people = np.unique(np.asarray(person), return_inverse=True)[1].astype(np.int64)
    parts = list(_blocks(vectors, people))
    return AllComparisons(
        mated=np.concatenate([part.mated for part in parts]),
        mated_person=np.concatenate([part.mated_person for part in parts]),
        non_mated=np.concatenate([part.non_mated for part in parts]),
    )


def _blocks(vectors: Vectors, people: NDArray[np.int64]) -> Iterator[AllComparisons]:
    squares = np.einsum("ij,ij->i", vectors, vectors)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(vectors)))
        squared = squares[rows, np.newaxis] + squares[start:] - 2 * vectors[rows] @ vectors[start:].T
        scores = np.sqrt(np.maximum(squared, 0)).astype(np.float32)
        once = rows[:, np.newaxis] < np.arange(start, len(vectors))
        mated = people[rows, np.newaxis] == people[start:]
        strangers = scores[once & ~mated]
        yield AllComparisons(
            mated=_missing_is_infinite(scores[once & mated]),
            mated_person=np.broadcast_to(people[rows, np.newaxis], scores.shape)[once & mated],
            non_mated=strangers[np.isfinite(strangers)],
        )


def _missing_is_infinite(scores: Scores) -> Scores:
    return np.where(np.isnan(scores), np.inf, scores).astype(scores.dtype)
