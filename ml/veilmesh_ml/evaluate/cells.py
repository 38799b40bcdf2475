"""Figures as cells of a table."""

import math
from typing import Final

from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.rates import Rate

NOTHING: Final = "-"
_UNBROKEN_HYPHEN: Final = "\u2011"


def share(rate: ClusteredRate | Rate | None) -> str:
    """Write a share in percent with its interval; a dash for none."""
    if rate is None or not rate.trials:
        return NOTHING
    low, high = rate.interval
    return between(100 * rate.value, (100 * low, 100 * high))


def between(value: float, interval: tuple[float, float], digits: int = 1) -> str:
    """Write a figure with the ends of its interval."""
    low, high = interval
    hyphen = _UNBROKEN_HYPHEN if low >= 0 else " to "
    return f"{value:.{digits}f} ({low:.{digits}f}{hyphen}{high:.{digits}f})"


def estimate(value: Estimate, digits: int = 2) -> str:
    """Write a figure with half its interval's width; a dash for none."""
    if not math.isfinite(value.value):
        return NOTHING
    return f"{value.value:.{digits}f} ± {(value.high - value.low) / 2:.{digits}f}"
