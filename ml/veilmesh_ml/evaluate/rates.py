"""Errors counted over comparisons: FMR, FNMR, the threshold for a wished FMR, the DET curve.

Scores are dissimilarities, lower being more alike, and a comparison matches at or below the threshold. A
comparison in which a photo gave no features has no score: whoever counts passes infinity for it, which
matches nobody.

Source of the words: ISO/IEC 19795-1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Scores: TypeAlias = NDArray[np.floating]  # (n,), dissimilarities; infinity where there was nothing to compare

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """A share that was counted: `count` of `trials`."""

    count: int
    trials: int

    @property
    def value(self) -> float:
        """The share itself; not a number where there was no trial."""
        return self.count / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval, which treats the trials as independent; 0 to 1 where there was none."""
        if not self.trials:
            return 0.0, 1.0
        found = binomtest(self.count, self.trials).proportion_ci(CONFIDENCE, method="wilson")
        return float(found.low), float(found.high)

    def document(self) -> Mapping[str, float | None]:
        """For a JSON report."""
        low, high = self.interval
        value = self.value if self.trials else None
        return {"count": self.count, "trials": self.trials, "rate": value, "low": low, "high": high}


@dataclass(frozen=True, slots=True, eq=False)
class DetCurve:
    """The trade between the two errors, threshold rising: fmr rises, fnmr falls; each float64 (points,)."""

    threshold: NDArray[np.float64]
    fmr: NDArray[np.float64]
    fnmr: NDArray[np.float64]

    @property
    def equal_error_rate(self) -> float:
        """Where the two errors meet, by straight lines between the curve's points."""
        gap = self.fmr - self.fnmr  # rises with the threshold
        return float(np.interp(0.0, gap, (self.fmr + self.fnmr) / 2))


def fmr(non_mated: Scores, threshold_dissimilarity: float) -> Rate:
    """Return the share of non-mated comparisons that match."""
    return Rate(int(np.count_nonzero(non_mated <= threshold_dissimilarity)), len(non_mated))


def fnmr(mated: Scores, threshold_dissimilarity: float) -> Rate:
    """Return the share of mated comparisons that do not match."""
    return Rate(int(np.count_nonzero(~(mated <= threshold_dissimilarity))), len(mated))


def tpr(mated: Scores, threshold_dissimilarity: float) -> Rate:
    """Return the share of mated comparisons that match: 1 - FNMR."""
    return Rate(int(np.count_nonzero(mated <= threshold_dissimilarity)), len(mated))


def threshold_at_fmr(non_mated: Scores, wished_fmr: float) -> float:
    """Return the highest threshold at which no larger a share than `wished_fmr` of these comparisons matches.

    With fewer than 1 / `wished_fmr` comparisons it lies just below the smallest of them, and says little.

    Raises:
        ValueError: no comparison, or an FMR outside 0 to 1.
    """
    if not (len(non_mated) and 0 <= wished_fmr < 1):
        raise ValueError(f"no threshold for FMR {wished_fmr} from {len(non_mated)} comparisons")
    allowed = math.floor(wished_fmr * len(non_mated) * (1 + 1e-12))  # 0.001 * 3000 is 3, not 2.9999...
    first_refused = np.partition(non_mated, allowed)[allowed]
    return float(np.nextafter(first_refused, -np.inf, dtype=non_mated.dtype))


def det_curve(mated: Scores, non_mated: Scores, points: int = 500) -> DetCurve:
    """Return both errors at so many thresholds, chosen so that they are dense where errors are few."""
    mated, non_mated = np.sort(mated), np.sort(non_mated)
    thresholds = np.union1d(_spread(mated, points), _spread(non_mated, points)).astype(np.float64)
    false_matches = np.searchsorted(non_mated, thresholds, side="right")
    matches = np.searchsorted(mated, thresholds, side="right")
    return DetCurve(thresholds, false_matches / len(non_mated), 1 - matches / len(mated))


def _spread(ordered: Scores, points: int) -> Scores:
    """Some of these scores: the first and last few, and ever fewer towards the middle."""
    finite = ordered[np.isfinite(ordered)]
    if not len(finite):
        return finite
    steps = np.unique(np.geomspace(1, len(finite), points // 2).astype(np.int64)) - 1
    return finite[np.union1d(steps, len(finite) - 1 - steps)]
