"""How near a set of generated pictures is to a set of real ones, in a space of features of our own networks.

The published scores of this kind (IS, FID) are of the Inception network, which is not here. These have its
formulas with other networks: their values stand beside each other, never beside a published IS or FID.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.evaluate.rates import Rate

Features: TypeAlias = NDArray[np.floating]  # (n, d)


def class_score(likely: Features) -> float:
    """Return exp(E KL(p(y|x) || p(y))), 1 to the number of classes: sharp judgements of many classes.

    Args:
        likely: p(y|x), rows of sum 1.

    Source: Salimans et al. 2016, section 4, there with Inception's classes; S3, equation 6.
    """
    every = np.clip(likely, 1e-12, 1)
    marginal = every.mean(axis=0)
    return float(np.exp((every * np.log(every / marginal)).sum(axis=1).mean()))


def frechet_distance(real: Features, generated: Features) -> float:
    """Return the squared Fréchet distance of the normal distributions fitted to both, 0 or more.

    |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)). It falls as sets grow: compare sets of equal size.

    Source: Heusel et al. 2017, equation 6, there of Inception's features; S3, equation 7.
    """
    apart = real.mean(axis=0) - generated.mean(axis=0)
    one, other = (np.atleast_2d(np.cov(each.T.astype(np.float64))) for each in (real, generated))
    values, turn = np.linalg.eigh(one)
    root = (turn * np.sqrt(np.maximum(values, 0))) @ turn.T
    # (C1 C2)^(1/2) has the eigenvalues of (C1^(1/2) C2 C1^(1/2))^(1/2), which is symmetric.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    return float(max(0.0, apart @ apart + np.trace(one) + np.trace(other) - 2 * shared))


@dataclass(frozen=True, slots=True)
class Coverage:
    """Attributes: generated pictures that lie among the real ones; real ones that lie among the generated."""

    precision: Rate
    recall: Rate


def coverage(real: Features, generated: Features, neighbours: int = 3) -> Coverage:
    """Count who lies no farther from some picture of the other set than that one's k-th neighbour.

    Source: Kynkäänniemi et al. 2019, equations 1 and 2.
    """
    return Coverage(_among(real, generated, neighbours), _among(generated, real, neighbours))


def _among(known: Features, asked: Features, neighbours: int) -> Rate:
    reach = np.sort(_squared_distances(known, known), axis=1)[:, min(neighbours, len(known) - 1)]  # 0: itself
    inside = (_squared_distances(asked, known) <= reach).any(axis=1)
    return Rate(int(inside.sum()), len(asked))


def _squared_distances(one: Features, other: Features) -> NDArray[np.float64]:
    a, b = one.astype(np.float64), other.astype(np.float64)
    squares = (a**2).sum(axis=1)[:, np.newaxis] + (b**2).sum(axis=1) - 2 * (a @ b.T)
    return np.asarray(np.maximum(squares, 0))
