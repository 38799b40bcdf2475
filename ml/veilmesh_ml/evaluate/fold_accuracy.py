"""LFW's accuracy: in every fold decided at the threshold that is best on the other folds.

A pair in which a photo gave no features has no score. It counts as an error, mated or not; who wants to know
what the encoder does leaves such pairs out, and says so.
"""

from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.evaluate.rates import Rate, Scores


@dataclass(frozen=True, slots=True)
class FoldAccuracy:
    """Accuracy by folds: each fold's share of right decisions, and the threshold it was decided at."""

    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]
    decisions: Rate  # right ones, of all folds together

    @property
    def mean(self) -> float:
        return fmean(self.accuracies)

    @property
    def standard_error(self) -> float:
        """Of the mean: the folds' standard deviation over the root of their number, as LFW asks for."""
        return float(stdev(self.accuracies) / np.sqrt(len(self.accuracies)))

    @property
    def threshold(self) -> float:
        """The mean of the folds' thresholds."""
        return fmean(self.thresholds)


def accuracy_by_folds(scores: Scores, mated: NDArray[np.bool_], fold: NDArray[np.int64]) -> FoldAccuracy:
    """Fit a threshold on all folds but one and decide that one, in turn.

    Args:
        scores: float64 (n,), dissimilarities; infinity where a pair has none.
        mated: bool (n,).
        fold: int64 (n,), from 0; two folds at least.
    """
    accuracies, thresholds, right = [], [], 0
    for held_out in np.unique(fold):
        inside = fold == held_out
        threshold = best_threshold(scores[~inside], mated[~inside])
        correct = np.isfinite(scores[inside]) & ((scores[inside] <= threshold) == mated[inside])
        right += int(np.count_nonzero(correct))
        accuracies.append(float(correct.mean()))
        thresholds.append(threshold)
    return FoldAccuracy(tuple(accuracies), tuple(thresholds), Rate(right, len(scores)))


def best_threshold(scores: Scores, mated: NDArray[np.bool_]) -> float:
    """Return the threshold with most right decisions; of several the median one."""
    finite = np.isfinite(scores)
    candidates = np.unique(scores[finite])
    matches = np.searchsorted(np.sort(scores[finite & mated]), candidates, side="right")
    false_matches = np.searchsorted(np.sort(scores[finite & ~mated]), candidates, side="right")
    gain = matches - false_matches
    return float(np.median(candidates[gain == gain.max()]))
