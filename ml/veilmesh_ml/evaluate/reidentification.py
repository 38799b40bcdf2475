"""How often an anonymized photo still gives its person away, from features alone.

Every comparison is a Euclidean distance, mated or non-mated. Two thresholds at one FMR are reported: the
fixed one, set on comparisons of originals, is what a system in operation has; the recalibrated one is set on
comparisons of the very kind that is attacked, as an attacker would. Anonymizing moves all distances up, so
the fixed one alone flatters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.rates import Rate, Scores, fmr, threshold_at_fmr

People = NDArray[np.int64]  # (n,): whom each row of features shows, as a number
JUDGED_FMR = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class FaceSet:
    """Features (n, d), whose they are (n,), and which photo each is of (n,), all by number."""

    features: Features
    people: People
    photos: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attack's success.

    Attributes:
        tpr_fixed: of mated comparisons, at the threshold of originals; None where the attack has scores of
            its own, for which there is none.
        fmr_fixed: of non-mated ones, at the same. Where all outputs look alike it is high, and `tpr_fixed`
            says nothing.
        tpr: the same at the recalibrated threshold.
        rank1: of searches of the gallery, those whose first candidate is the right person; None where
            nothing was searched.
        threshold: the recalibrated one.
        non_mated: comparisons that it was set on.
        gallery: people searched.
    """

    tpr_fixed: ClusteredRate | None
    fmr_fixed: Rate | None
    tpr: ClusteredRate
    rank1: ClusteredRate | None
    threshold: float
    non_mated: int
    gallery: int

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        return {
            "tpr_fixed": None if self.tpr_fixed is None else self.tpr_fixed.document(),
            "fmr_fixed": None if self.fmr_fixed is None else self.fmr_fixed.document(),
            "tpr_recalibrated": self.tpr.document(),
            "rank1": None if self.rank1 is None else self.rank1.document(),
            "threshold_recalibrated": self.threshold,
            "non_mated_comparisons": self.non_mated,
            "gallery_people": self.gallery,
        }


def distances(probes: Features, references: Features) -> NDArray[np.float64]:
    """Return the Euclidean distance of every probe to every reference, (n, m)."""
    squares = (probes**2).sum(1)[:, np.newaxis] + (references**2).sum(1) - 2 * probes @ references.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)), dtype=np.float64)


def fixed_threshold(probes: FaceSet, gallery: FaceSet) -> float:
    """Return the threshold at the judged FMR between originals: `probes` are originals here."""
    found = distances(probes.features, gallery.features)
    return threshold_at_fmr(found[probes.people[:, np.newaxis] != gallery.people], JUDGED_FMR)


def reidentify(probes: FaceSet, references: FaceSet, gallery: FaceSet, fixed: float | None = None) -> Outcome:
    """Compare and search.

    Args:
        probes: what the attacker holds.
        references: every photo of the probes' people that the attacker may compare with. A probe is never
            compared with the photo that it was made from.
        gallery: one photo a person, the probes' people among them: searched, and the non-mated comparisons.
        fixed: threshold of originals.
    """
    searched = distances(probes.features, gallery.features)
    wrong = probes.people[:, np.newaxis] != gallery.people
    threshold = threshold_at_fmr(searched[wrong], JUDGED_FMR)
    mated, clusters = mated_scores(probes, references)
    first = gallery.people[searched.argmin(axis=1)] == probes.people
    return Outcome(
        tpr_fixed=None if fixed is None else ClusteredRate.of(mated <= fixed, clusters),
        fmr_fixed=None if fixed is None else fmr(searched[wrong], fixed),
        tpr=ClusteredRate.of(mated <= threshold, clusters),
        rank1=ClusteredRate.of(first, probes.people),
        threshold=threshold,
        non_mated=int(np.count_nonzero(wrong)),
        gallery=len(gallery.people),
    )


def link(outputs: FaceSet, fixed: float | None = None) -> Outcome:
    """Compare outputs with each other: do two of one person, from two photos, look alike?"""
    found = distances(outputs.features, outputs.features)
    later = np.triu(np.ones(found.shape, dtype=np.bool_), 1)
    same = outputs.people[:, np.newaxis] == outputs.people
    other_photo = outputs.photos[:, np.newaxis] != outputs.photos
    threshold = threshold_at_fmr(found[later & ~same], JUDGED_FMR)
    pairs = later & same & other_photo
    clusters = outputs.people[np.nonzero(pairs)[0]]
    return Outcome(
        tpr_fixed=None if fixed is None else ClusteredRate.of(found[pairs] <= fixed, clusters),
        fmr_fixed=None if fixed is None else fmr(found[later & ~same], fixed),
        tpr=ClusteredRate.of(found[pairs] <= threshold, clusters),
        rank1=None,
        threshold=threshold,
        non_mated=int(np.count_nonzero(later & ~same)),
        gallery=0,
    )


def mated_scores(probes: FaceSet, references: FaceSet) -> tuple[Scores, People]:
    """Return the distance of every probe to every other photo of its person, and whose each is."""
    found = distances(probes.features, references.features)
    mated = probes.people[:, np.newaxis] == references.people
    mated &= probes.photos[:, np.newaxis] != references.photos
    return found[mated], probes.people[np.nonzero(mated)[0]]
