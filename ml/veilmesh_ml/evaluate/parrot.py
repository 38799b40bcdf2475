"""Attackers who run the anonymizer themselves, on people of their own, and learn from what comes out.

Named after McPherson, Shokri and Shmatikov, "Defeating image obfuscation with deep learning" (2016). Four
attackers meet people they have never seen:

- `linear map`: ridge regression from an output's features to those of another original of the same person;
- `own outputs`: anonymizes the gallery as well, and compares outputs with outputs in a metric learnt by
  linear discriminant analysis;
- `pixels`: the same metric over principal components of the output's pixels;
- `small CNN`: a network from the output's pixels to the features of originals.

A fifth, `labelled outputs`, has what McPherson's attackers had: many outputs of the very people searched,
labelled. It says how many of the photos it has not seen it puts a name to.

Settings are chosen on people held out from training (`trials.held_out`), never on those attacked.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from veilmesh_ml.comparison import Features
from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.reidentification import FaceSet, People
from veilmesh_ml.evaluate.small_cnn import train_small_cnn

RIDGE_PENALTIES = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
PIXEL_COMPONENTS = 160
DISCRIMINANTS = (16, 32, 64)
SHRINKAGES = (0.01, 0.1, 0.5)
FOLDS = 4  # in which the attacker with labelled outputs sees three and names the fourth

Crops = NDArray[np.uint8]  # (n, 32, 32, 3)
Projection = Callable[[Features], Features]


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """What such an attacker learns from: outputs it made itself, and the originals.

    Attributes:
        outputs: features of outputs, and whose they are.
        crops: their pixels, in the same order.
        originals: features of the same photos before, in the same order.
        held_out: (n,), for choosing settings.
    """

    outputs: FaceSet
    crops: Crops
    originals: Features
    held_out: NDArray[np.bool_]


def learn_linear_map(learning: Learning) -> tuple[Projection, Projection]:
    """Return two projections onto unit vectors: for outputs and for originals."""
    people, learnt = learning.outputs.people, ~learning.held_out
    targets = means_of_other_photos(learning.originals, people)
    before, after = learning.outputs.features[learnt].mean(axis=0), learning.originals[learnt].mean(axis=0)
    x, y = learning.outputs.features - before, targets - after
    squares, products = x[learnt].T @ x[learnt], x[learnt].T @ y[learnt]
    scale = np.trace(squares) / len(squares)

    def solved(penalty: float) -> Features:
        return np.asarray(np.linalg.solve(squares + penalty * scale * np.eye(len(squares)), products))

    best = max(
        (solved(penalty) for penalty in RIDGE_PENALTIES),
        key=lambda matrix: _separation(
            unit(x[learning.held_out] @ matrix), unit(y[learning.held_out]), people[learning.held_out]
        ),
    )
    return lambda outputs: unit((outputs - before) @ best), lambda originals: unit(originals - after)


def learn_metric(features: Features, people: People, held_out: NDArray[np.bool_]) -> Projection:
    """Return the projection onto the discriminants that tell people's outputs apart, as unit vectors.

    The covariance within people is drawn towards a multiple of the identity, so that it can be inverted even
    where outputs hardly differ. How far, and how many discriminants, the people held out decide.
    """
    learnt, kept = features[~held_out], people[held_out]
    _, labels, counts = np.unique(people[~held_out], return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), features.shape[1]))
    np.add.at(means, labels, learnt)
    means /= counts[:, np.newaxis]
    centre = learnt.mean(axis=0)
    residuals, spread = learnt - means[labels], (means - centre)[labels]
    within, between = residuals.T @ residuals / len(learnt), spread.T @ spread / len(learnt)

    def discriminants(shrinkage: float) -> Features:
        scale = np.trace(within) / len(within) + 1e-12
        drawn = (1 - shrinkage) * within + shrinkage * scale * np.eye(len(within))
        return np.asarray(eigh(between, drawn)[1][:, ::-1])  # the most telling first

    candidates = [
        every[:, :count]
        for every in map(discriminants, SHRINKAGES)
        for count in (*DISCRIMINANTS, every.shape[1])
        if count <= every.shape[1]
    ]

    def told_apart(candidate: Features) -> float:
        projected = unit((features[held_out] - centre) @ candidate)
        return _separation(projected, projected, kept)

    best = max(candidates, key=told_apart)
    return lambda given: unit((given - centre) @ best)


def learn_pixel_metric(learning: Learning) -> Callable[[Crops], Features]:
    """Return the same over principal components of pixels."""
    learnt = _flat(learning.crops[~learning.held_out])
    components = min(PIXEL_COMPONENTS, len(learnt) // 2)
    analysis = PCA(components, svd_solver="randomized", random_state=0).fit(learnt)

    def whitened(crops: Crops) -> Features:
        return np.asarray(analysis.transform(_flat(crops)) / np.sqrt(analysis.explained_variance_ + 1e-9))

    metric = learn_metric(whitened(learning.crops), learning.outputs.people, learning.held_out)
    return lambda crops: metric(whitened(crops))


def aims(learning: Learning) -> tuple[Features, Projection]:
    """Return the unit vectors that a network is to aim at, one an output, and the projection of originals."""
    centre = learning.originals[~learning.held_out].mean(axis=0)
    targets = unit(means_of_other_photos(learning.originals, learning.outputs.people) - centre)
    return targets, lambda originals: unit(originals - centre)


def look_by_cnn(given: tuple[Learning, Crops]) -> Arrays:
    """Teach a network what outputs aim at; return what it makes of other outputs. Called in a worker."""
    learning, crops = given
    targets, _ = aims(learning)
    network = train_small_cnn(learning.crops, targets.astype(np.float32), learning.held_out)
    return {"features": network(crops)}


def name_known_people(features: Features, crops: Crops, people: People) -> ClusteredRate:
    """Return how many outputs an attacker names rightly who learnt from labelled ones of the same people.

    Each photo is named once, by a classifier that saw the other folds' photos.

    Args:
        features: of outputs, (n, d).
        crops: their pixels.
        people: who they show.
    """
    if len(np.unique(people)) < 2:
        return ClusteredRate(0, 0, 0)  # of one person there is nothing to choose
    order = np.argsort(people, kind="stable")
    fold = np.empty(len(people), dtype=np.int64)
    fold[order] = np.arange(len(people)) % FOLDS
    right = np.zeros(len(people), dtype=np.bool_)
    pixels = _flat(crops)
    for each in range(FOLDS):
        seen, asked = fold != each, fold == each
        components = PCA(min(60, int(seen.sum()) - 1), svd_solver="randomized", random_state=0)
        components.fit(pixels[seen])
        both = np.hstack([_standard(features, seen), _standard(components.transform(pixels), seen)])
        classifier = LogisticRegression(C=0.05, max_iter=300).fit(both[seen], people[seen])
        right[asked] = classifier.predict(both[asked]) == people[asked]
    return ClusteredRate.of(right, people)


def means_of_other_photos(features: Features, people: People) -> Features:
    """Return for each photo the mean features of the other photos of its person, (n, d).

    Every person has at least two.
    """
    _, numbers = np.unique(people, return_inverse=True)
    sums = np.zeros((numbers.max() + 1, features.shape[1]))
    np.add.at(sums, numbers, features)
    others = np.bincount(numbers)[numbers] - 1
    return np.asarray((sums[numbers] - features) / others[:, np.newaxis])


def unit(rows: Features) -> Features:
    """Return rows of length 1, whose Euclidean distance orders them as their cosine does."""
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-12), dtype=np.float64)


def _separation(probes: Features, references: Features, people: People) -> float:
    """By how many standard deviations mated cosines exceed non-mated ones."""
    cosines = probes @ references.T
    same = people[:, np.newaxis] == people
    np.fill_diagonal(cosines, np.nan)
    mated, non_mated = cosines[same], cosines[~same]
    return float((np.nanmean(mated) - non_mated.mean()) / (non_mated.std() + 1e-12))


def _flat(crops: Crops) -> Features:
    return crops.reshape(len(crops), -1).astype(np.float64) / 255


def _standard(features: Features, seen: NDArray[np.bool_]) -> Features:
    mean, std = features[seen].mean(axis=0), features[seen].std(axis=0)
    return np.asarray((features - mean) / (std + 1e-9))
