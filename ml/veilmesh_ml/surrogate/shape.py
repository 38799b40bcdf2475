"""Where a surrogate's landmarks go: pose and expression are kept, what tells people apart is not.

Landmarks alone identify a person. From people with several photos come two covariances of aligned shapes:
within a person (pose, expression) and between people (identity). A linear filter after Wiener,

    K = W (W + c B)^-1        W within, B between, c caution,

keeps the directions in which one person varies and drops those in which people differ. c = 1 is the best
estimate of the first; c above 1 drops directions that hold some of both. The surrogate's shape is

    donor + K (person - donor).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.surrogate.points import ALIGNMENT_WEIGHTS, Points, fit_similarity, with_forehead

COMPONENTS = 30  # principal components of aligned shapes that are told apart


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """How shapes vary within a person and between people.

    Attributes:
        basis: float (136, c), orthonormal columns over (x0, y0, x1, ...) of shapes in the bank's frame.
        within, between: covariances in that basis, float (c, c), in squared texture pixels.
    """

    basis: NDArray[np.float64]
    within: NDArray[np.float64]
    between: NDArray[np.float64]

    def kept(self, difference: Points, caution: float) -> Points:
        """Return the part of a difference of two aligned shapes, (68, 2), that is pose and expression."""
        filtered = _filter(self, caution) @ (self.basis.T @ difference.ravel())
        return (self.basis @ filtered).reshape(-1, 2)


@lru_cache(maxsize=16)
def _filter(model: ShapeModel, caution: float) -> NDArray[np.float64]:
    return np.asarray(model.within @ np.linalg.inv(model.within + caution * model.between))


def fit_shapes(shapes: list[NDArray[np.floating]], mean: Points) -> ShapeModel:
    """Estimate the covariances.

    Args:
        shapes: one array per person, landmarks (photos, 68, 2), two or more photos each.
        mean: the mean shape that all are aligned to, (68, 2).
    """
    people = [np.array([aligned(shape, mean).ravel() for shape in photos]) for photos in shapes]
    every = np.concatenate(people)
    residuals = np.concatenate([photos - photos.mean(axis=0) for photos in people])
    total = np.cov(every.T)
    within = residuals.T @ residuals / max(1, len(every) - len(people))
    basis = np.linalg.eigh(total)[1][:, ::-1][:, :COMPONENTS]
    within, total = basis.T @ within @ basis, basis.T @ total @ basis
    spread, turn = np.linalg.eigh(total - within)
    between = (turn * np.maximum(spread, 1e-3)) @ turn.T
    return ShapeModel(basis, within, between)


def aligned(landmarks: NDArray[np.floating] | NDArray[np.integer], mean: Points) -> Points:
    """Return the 68 landmarks brought to the frame by the best similarity."""
    points = np.asarray(landmarks, dtype=np.float64)[:68]
    return fit_similarity(points, mean[:68], ALIGNMENT_WEIGHTS).apply(points)


def deidentified(landmarks: Points, donor: Points, model: ShapeModel, caution: float, jaw: float) -> Points:
    """Return a surrogate's 77 points, in the person's pose and expression.

    Args:
        landmarks: the person's, (68, 2).
        donor: the donor's shape in the bank's frame, (68, 2).
        model: what is kept of the person.
        caution: of the filter, see the module.
        jaw: how far the outline is the surrogate's, 0 to 1; at 0 it is the person's own.
    """
    onto = fit_similarity(donor, landmarks, ALIGNMENT_WEIGHTS)
    new = onto.apply(donor + model.kept(onto.undo(landmarks) - donor, caution))
    outline = (1 - jaw) * with_forehead(landmarks) + jaw * with_forehead(new)
    return np.concatenate([outline[:17], new[17:], outline[68:]])
