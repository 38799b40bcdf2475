"""A share whose trials come in clusters: several comparisons of one person are not independent.

Wilson's interval is computed for the effective number of trials, the number divided by the design effect
(Kish, Survey Sampling, 1965): by how much the variance between people exceeds that of independent trials.
Where everything or nothing was a hit the design effect cannot be seen, and the number of people is taken.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.evaluate.rates import CONFIDENCE


@dataclass(frozen=True, slots=True)
class ClusteredRate:
    """`count` of `trials`, which tell as much as `effective_trials` independent ones."""

    count: int
    trials: int
    effective_trials: float

    @classmethod
    def of(cls, hits: NDArray[np.bool_], clusters: NDArray[np.integer]) -> Self:
        """Count hits, (n,), of trials whose cluster is given by number, (n,)."""
        count, trials = int(np.count_nonzero(hits)), len(hits)
        sizes = np.bincount(clusters)
        people = int(np.count_nonzero(sizes))
        if count in {0, trials} or people < 2:
            return cls(count, trials, float(people))
        share = count / trials
        residuals = np.bincount(clusters, weights=hits) - share * sizes
        variance = people / (people - 1) * float((residuals**2).sum()) / trials**2
        design_effect = max(1.0, variance / (share * (1 - share) / trials))
        return cls(count, trials, trials / design_effect)

    @property
    def value(self) -> float:
        """The share itself; not a number where there was no trial."""
        return self.count / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval for the effective number of trials; 0 to 1 where there was no trial."""
        return self.interval_of_one_in(1)

    def interval_of_one_in(self, looked_at: int) -> tuple[float, float]:
        """Return the interval widened for a share that is the most striking of so many (Bonferroni)."""
        if not self.trials:
            return 0.0, 1.0
        deviate = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / looked_at)
        n, share, square = self.effective_trials, self.value, deviate**2
        middle = (share + square / (2 * n)) / (1 + square / n)
        half = deviate * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def document(self) -> Mapping[str, float | None]:
        """For a JSON report."""
        low, high = self.interval
        return {
            "count": self.count,
            "trials": self.trials,
            "effective_trials": round(self.effective_trials, 1),
            "rate": self.value if self.trials else None,
            "low": low,
            "high": high,
        }
