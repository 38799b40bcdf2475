"""Means and correlations with 95 % intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure from `count` independent photos; not a number where there were too few."""

    value: float
    low: float
    high: float
    count: int

    @classmethod
    def mean(cls, values: NDArray[np.float64]) -> Self:
        """Return the mean of finite values, with a normal interval."""
        values = values[np.isfinite(values)]
        if len(values) < 2:
            return cls(math.nan, math.nan, math.nan, len(values))
        middle, half = float(values.mean()), NORMAL_95 * float(values.std(ddof=1)) / math.sqrt(len(values))
        return cls(middle, middle - half, middle + half, len(values))

    @classmethod
    def correlation(cls, one: NDArray[np.float64], other: NDArray[np.float64]) -> Self:
        """Return Pearson's r, with Fisher's interval."""
        if len(one) < 4 or not (one.std() and other.std()):
            return cls(math.nan, math.nan, math.nan, len(one))
        r = float(np.corrcoef(one, other)[0, 1])
        middle, half = math.atanh(min(max(r, -1 + 1e-12), 1 - 1e-12)), NORMAL_95 / math.sqrt(len(one) - 3)
        return cls(r, math.tanh(middle - half), math.tanh(middle + half), len(one))

    @property
    def trials(self) -> int:
        """The photos, as rates call what they count."""
        return self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Its ends, as rates have them."""
        return self.low, self.high

    def document(self) -> Mapping[str, float | None]:
        """For a JSON report."""
        values = {"value": self.value, "low": self.low, "high": self.high}
        return {name: value if math.isfinite(value) else None for name, value in values.items()} | {
            "photos": self.count
        }
