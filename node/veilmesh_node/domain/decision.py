"""From a dissimilarity to a decision."""

from fractions import Fraction
from math import isfinite

from veilmesh_chaincode.records.authentication import Outcome

MICRO = 1_000_000


def decide(dissimilarity: float, threshold_micro: int) -> Outcome:
    """Return MATCH when `dissimilarity` is at or below the policy's threshold.

    The comparison itself is exact: a float64 is a rational number, so it is compared with the rational
    `threshold_micro / 10**6` instead of with that quotient rounded to a float. What rounding there is
    happened earlier: the vault's rotation moves a dissimilarity by less than 1e-12, a millionth of the
    threshold's unit.

    Args:
        dissimilarity: Euclidean, unitless, >= 0; lower is more alike.
        threshold_micro: the policy's threshold times 10**6.

    Raises:
        ValueError: a dissimilarity that is negative or not finite; it never decides as a match.
    """
    if not isfinite(dissimilarity) or dissimilarity < 0:
        raise ValueError("a dissimilarity is finite and not negative")
    if Fraction(dissimilarity) * MICRO <= threshold_micro:
        return Outcome.MATCH
    return Outcome.NO_MATCH
