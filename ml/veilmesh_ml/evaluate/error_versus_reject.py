"""Does quality predict errors? Reject the comparisons of worst quality and watch the FNMR of the rest.

If quality says nothing, the rest has the same FNMR as all; the better it predicts, the faster the curve
falls. A comparison is as good as the worse of its two photos.

Source: Grother and Tabassi, Performance of biometric quality measures, IEEE TPAMI 29(4), 2007.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_TIE_SEED = 2007


@dataclass(frozen=True, slots=True, eq=False)
class RejectCurve:
    """`fnmr[i]` is left when the share `rejected[i]` of the comparisons, the worst, is gone."""

    rejected: NDArray[np.float64] = field(repr=False)
    fnmr: NDArray[np.float64] = field(repr=False)

    def relative_area(self, up_to: float) -> float:
        """Return the area under the curve, rejecting up to this share, over that of a quality by chance.

        Below 1: quality predicts errors. Not a number where there is no error to predict.
        """
        part = self.fnmr[self.rejected <= up_to]
        return float(part.mean() / self.fnmr[0]) if self.fnmr[0] else float("nan")


def reject_curve(quality: NDArray[np.float64], missed: NDArray[np.bool_]) -> RejectCurve:
    """Return the whole curve; comparisons of equal quality go in random order, always the same.

    Args:
        quality: float64 (n,), of mated comparisons; higher is better.
        missed: bool (n,), whether it was a false non-match at the threshold in question.
    """
    chance = np.random.default_rng(_TIE_SEED).random(len(quality))
    ordered = missed[np.lexsort((chance, quality))]
    left = np.arange(len(ordered), 0, -1)
    errors_left = np.cumsum(ordered[::-1])[::-1]
    return RejectCurve(rejected=1 - left / len(ordered), fnmr=errors_left / left)
