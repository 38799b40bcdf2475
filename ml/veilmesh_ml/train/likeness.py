"""Fits the likeness: what a face encoder makes of a face, guessed from its texture and landmarks.

Ridge regression from texture and landmarks to each person's mean features of dlib's encoder, without what in
these tells of gender, age or group: a surrogate shall keep those, and be unlike the person in all else.
Like the apparent attributes, it is learnt here so that the anonymizer needs no encoder.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from veilmesh_ml.surrogate.attributes import LIKENESS_COMPONENTS

_ALPHA = 3.0
_WHITENED = 0.25  # power of the variances that components are divided by: half way to white


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """The fitted model, and what it should have said.

    Attributes:
        bias, weights: (LIKENESS_COMPONENTS,), (f, LIKENESS_COMPONENTS).
        truth: every person's own features in the same components, one row per face, (n, LIKENESS_COMPONENTS).
    """

    bias: NDArray[np.float32]
    weights: NDArray[np.float32]
    truth: NDArray[np.float64]


def fit_likeness(
    seen: NDArray[np.float32],
    features: NDArray[np.float64],
    people: NDArray[np.int64],
    teacher: NDArray[np.float64],
) -> Likeness:
    """Fit.

    Args:
        seen: appearance and shape features of n faces, (n, f).
        features: of the encoder, (n, 128).
        people: who it is, (n,).
        teacher: its scores of gender, age and group, (n, s).
    """
    target = _without(_mean_of_person(features, people), teacher)
    ridge = Ridge(alpha=_ALPHA, solver="cholesky").fit(seen, target.astype(np.float32))
    guessed = seen @ ridge.coef_.T + ridge.intercept_
    middle = guessed.mean(axis=0)
    variance, turn = np.linalg.eigh(np.cov((guessed - middle).T.astype(np.float64)))
    best = np.argsort(-variance)[:LIKENESS_COMPONENTS]
    project = np.zeros((target.shape[1], LIKENESS_COMPONENTS))
    project[:, : len(best)] = turn[:, best] / np.maximum(variance[best], 1e-9) ** _WHITENED
    return Likeness(
        ((ridge.intercept_ - middle) @ project).astype(np.float32),
        (ridge.coef_.T @ project).astype(np.float32),
        (target - target.mean(axis=0)) @ project,
    )


def _mean_of_person(features: NDArray[np.float64], people: NDArray[np.int64]) -> NDArray[np.float64]:
    _, person = np.unique(people, return_inverse=True)
    sums = np.zeros((person.max() + 1, features.shape[1]))
    np.add.at(sums, person, features)
    return np.asarray((sums / np.bincount(person)[:, np.newaxis])[person])


def _without(features: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out the directions in which features follow the scores."""
    centred = scores - scores.mean(axis=0)
    follow = np.linalg.lstsq(centred, features - features.mean(axis=0), rcond=None)[0]
    _, strength, directions = np.linalg.svd(follow, full_matrices=False)
    told = directions[strength > 1e-3 * strength[0]]
    return np.asarray(features - (features @ told.T) @ told)
