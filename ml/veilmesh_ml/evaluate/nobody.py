"""Is the face in an output nobody's, or is it like a person whom the method was made from?

Outputs of people S to Z are compared with originals of people A to R, whom methods may have learnt from. The
threshold is where, of comparisons of other originals of people S to Z with those same photos, one in 10,000
matches: nobody in the one set is in the other, so whatever matches is chance. What the very photos that were
anonymized match as they are, at that threshold, is the chance that their outputs are held against.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from veilmesh_ml.comparison import Features
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.estimates import NORMAL_95, Estimate
from veilmesh_ml.evaluate.rates import threshold_at_fmr
from veilmesh_ml.evaluate.reidentification import FaceSet, distances

FMR: Final = 1e-4
MOST_TIMES_CHANCE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Resemblance:
    """To people whom methods may have learnt from, by one judge.

    Attributes:
        comparisons: of an output with a photo of such a person, those that match.
        outputs: that match any such photo.
    """

    comparisons: ClusteredRate
    outputs: ClusteredRate

    def times(self, chance: "Resemblance") -> Estimate:
        """Return how many times as many comparisons match as of originals.

        Where none of those do, because they are few, `FMR` stands for them. The interval (Katz et al. 1978,
        of the logarithm, with effective counts) takes outputs and originals for independent, so it is rather
        too wide; it has no ends where either has no match.
        """
        outputs, originals = self.comparisons, chance.comparisons
        ratio = outputs.value / (originals.value or FMR)
        if not (outputs.count and originals.count):
            return Estimate(ratio, math.nan, math.nan, outputs.trials)
        error = math.sqrt(sum(1 / (each.value * each.effective_trials) for each in (outputs, originals)))
        factor = math.exp(NORMAL_95 * error)
        return Estimate(ratio, ratio / factor, ratio * factor, outputs.trials)

    def document(self, chance: "Resemblance") -> Mapping[str, Any]:
        """For a JSON report."""
        return {
            "comparisons": self.comparisons.document(),
            "outputs": self.outputs.document(),
            "times_chance": self.times(chance).document(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class PeopleLearntFrom:
    """Attributes: features of their photos, (m, d); at or below `threshold` a face matches one."""

    features: Features
    threshold: float

    @classmethod
    def known(cls, features: Features, strangers: Features) -> Self:
        """Set the threshold by originals of people who are none of them, (n, d)."""
        return cls(features, threshold_at_fmr(distances(strangers, features).ravel(), FMR))

    def resembled_by(self, faces: FaceSet) -> Resemblance:
        """Compare all faces with all photos."""
        matches = distances(faces.features, self.features) <= self.threshold
        whose = faces.people.repeat(len(self.features))
        return Resemblance(
            comparisons=ClusteredRate.of(matches.ravel(), whose),
            outputs=ClusteredRate.of(np.asarray(matches.any(axis=1)), faces.people),
        )
