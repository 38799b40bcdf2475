"""How well two photos of one person are told from photos of two, on LFW's protocol and on all comparisons.

1. The pairs of `pairs.txt`, and every photo they name: detected, judged for quality, encoded.
2. The protocol: accuracy by folds, FMR and FNMR at 0.6, TPR at given FMRs. A photo without a usable face is a
   failure to acquire, and each of its pairs an error; the figure without those pairs stands beside it.
3. Every photo against every other: millions of non-mated comparisons, so that small FMRs mean something. From
   these the policy's threshold is set.
4. Does quality predict errors? Mated comparisons of people S to Z, whom its weights were not fitted on, also
   of photos that `pairs.txt` does not name.

Two metrics, each on the features of a face and on the mean of those of its chip and the mirrored chip.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, groupby
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY, Features
from veilmesh_ml.engine import Engine
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.comparisons import AllComparisons, Vectors, compare_all, euclidean, unit
from veilmesh_ml.evaluate.error_versus_reject import RejectCurve, reject_curve
from veilmesh_ml.evaluate.fold_accuracy import FoldAccuracy, accuracy_by_folds
from veilmesh_ml.evaluate.lfw import Pair, Photo, photos_of, photos_of_people_from, read_pairs
from veilmesh_ml.evaluate.rates import DetCurve, Rate, Scores, det_curve, fmr, fnmr, threshold_at_fmr, tpr
from veilmesh_ml.evaluate.samples import Kept, Sample, acquire
from veilmesh_ml.evaluate.trials import FIRST_JUDGED_LETTER

FMRS = (1e-2, 1e-3, 1e-4)
MICRO = 1_000_000
NODE_METHOD = "Euclidean, mirrored too"  # how a node compares: the policy's threshold is for that
# Of one person no more photos than these take part in the error-versus-reject curve: a few people with
# hundreds of photos would be all it shows.
PHOTOS_A_PERSON = 15


@dataclass(frozen=True, slots=True)
class AtFmr:
    """What a threshold set for a wished FMR gives."""

    wished_fmr: float
    threshold: float
    fmr: Rate
    tpr: Rate | ClusteredRate


@dataclass(frozen=True, slots=True)
class AtDlibs:
    """The protocol's pairs at dlib's own threshold, 0.6: failures are errors for accuracy and FNMR."""

    accuracy: Rate
    fmr: Rate
    fnmr: Rate


@dataclass(frozen=True, slots=True, eq=False)
class MethodFigures:
    """One way to compare two photos.

    Attributes:
        name: of the metric, and whether mirrored chips take part.
        accuracy: on the protocol, failures being errors.
        accuracy_of_acquired: on those of its pairs both of whose photos have features.
        at_dlibs: None for cosine, where 0.6 means nothing.
        pairs_at_fmr: on the protocol's pairs.
        all_at_fmr: on all comparisons.
        curve: of all comparisons.
    """

    name: str
    accuracy: FoldAccuracy
    accuracy_of_acquired: FoldAccuracy
    at_dlibs: AtDlibs | None
    pairs_at_fmr: Sequence[AtFmr]
    all_at_fmr: Sequence[AtFmr]
    curve: DetCurve = field(repr=False)


@dataclass(frozen=True, slots=True)
class PolicyThreshold:
    """The threshold for a wished FMR, as a policy holds it: Euclidean, in millionths."""

    wished_fmr: float
    threshold_micro: int
    fmr: Rate
    fnmr: ClusteredRate


@dataclass(frozen=True, slots=True, eq=False)
class QualityFigures:
    """Error-versus-reject curves at one threshold.

    Attributes:
        threshold: Euclidean.
        photos: taken for it.
        failures: of these, photos without features, which have no quality and take no part.
        fnmr: of the others' comparisons before any is rejected.
        curves: by measure, "unified" and each component.
    """

    threshold: float
    photos: int
    failures: int
    fnmr: ClusteredRate
    curves: Mapping[str, RejectCurve] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """All that was found.

    Attributes:
        engine, detector, model_digest: what was judged.
        pairs: of the protocol.
        failures: photos without a usable face, each with the reason.
        failed_pairs: pairs with such a photo.
        several_faces: photos in which more than one face was found.
        refused: photos that nobody would be enrolled from.
        refusals: how often for each reason; a photo may have several.
        methods, policy, quality: the figures.
    """

    engine: str
    detector: str
    model_digest: str
    pairs: int
    photos: int
    people: int
    failures: Mapping[str, str]
    failed_pairs: int
    several_faces: int
    refused: int
    refusals: Mapping[str, int]
    methods: Sequence[MethodFigures]
    policy: PolicyThreshold
    quality: Sequence[QualityFigures]

    @property
    def failure_to_acquire(self) -> Rate:
        return Rate(len(self.failures), self.photos)


def verify_protocol(
    engine: Engine, folder: Path, kept: Kept, wished_fmr: float, on_progress: Callable[[int, int], None]
) -> Verification:
    """Evaluate an engine on a folder in LFW's layout.

    Args:
        engine: to be judged.
        folder: holds `pairs.txt` and the photos it names.
        kept: samples of an earlier run, which are not made again.
        wished_fmr: for the policy's threshold.
        on_progress: called with the number of photos done, and of all.

    Raises:
        ProtocolError: the pairs cannot be read.
    """
    pairs = read_pairs(folder)
    photos = photos_of(pairs)
    paths = [photo.path(folder) for photo in photos]
    judged = photos_of_people_from(folder, FIRST_JUDGED_LETTER, PHOTOS_A_PERSON)
    wanted = _paths(folder, (*photos, *judged))
    acquired = acquire(engine, wanted, kept, lambda done: on_progress(done, len(wanted)))
    samples = [acquired[path] for path in paths]
    trials = _Trials.of(pairs, photos)
    figures = []
    for name, vectors in _vectors(samples).items():
        everyone = compare_all(vectors, trials.person)
        figures.append(_figures(name, trials, vectors, everyone))
        if name == NODE_METHOD:
            policy = _policy(everyone, wished_fmr)
            quality = _quality(
                {photo: acquired[photo.path(folder)] for photo in judged}, policy.threshold_micro / MICRO
            )
    missing = np.array([sample.features is None for sample in samples])
    return Verification(
        engine=engine.name,
        detector=engine.detector,
        model_digest=engine.model_digest,
        pairs=len(pairs),
        photos=len(photos),
        people=len(set(trials.person)),
        failures={
            str(path.relative_to(folder)): sample.failure
            for path, sample in zip(paths, samples, strict=True)
            if sample.failure
        },
        failed_pairs=int(np.count_nonzero(missing[trials.first] | missing[trials.second])),
        several_faces=sum(sample.faces > 1 for sample in samples),
        refusals=Counter(_kind(reason) for sample in samples for reason in sample.refusals),
        refused=sum(bool(sample.refusals) for sample in samples),
        methods=figures,
        policy=policy,
        quality=quality,
    )


def photos_judged(folder: Path) -> list[Path]:
    """Return every photo that `verify_protocol` takes from a folder, once.

    Raises:
        ProtocolError: the pairs cannot be read.
    """
    photos = photos_of(read_pairs(folder))
    judged = photos_of_people_from(folder, FIRST_JUDGED_LETTER, PHOTOS_A_PERSON)
    return _paths(folder, (*photos, *judged))


def _paths(folder: Path, photos: Iterable[Photo]) -> list[Path]:
    """Return photos' files, each once."""
    return list(dict.fromkeys(photo.path(folder) for photo in photos))


@dataclass(frozen=True, slots=True, eq=False)
class _Trials:
    """The protocol with photos as row numbers."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    mated: NDArray[np.bool_]
    fold: NDArray[np.int64]
    person: Sequence[str]  # whom each photo shows

    @classmethod
    def of(cls, pairs: Sequence[Pair], photos: Sequence[Photo]) -> Self:
        row = {photo: index for index, photo in enumerate(photos)}
        return cls(
            first=np.array([row[pair.first] for pair in pairs]),
            second=np.array([row[pair.second] for pair in pairs]),
            mated=np.array([pair.mated for pair in pairs]),
            fold=np.array([pair.fold for pair in pairs]),
            person=[photo.person for photo in photos],
        )


def _vectors(samples: Sequence[Sample]) -> Mapping[str, Vectors]:
    """Return what each method compares, by its name."""
    length = next((len(sample.features) for sample in samples if sample.features is not None), 1)
    nothing = np.full(length, np.nan)

    def rows(side: Callable[[Sample], Features | None]) -> Vectors:
        return np.stack([nothing if (found := side(sample)) is None else found for sample in samples])

    plain = rows(lambda sample: sample.features)
    both = (plain + rows(lambda sample: sample.mirrored)) / 2
    return {
        "Euclidean": plain,
        "cosine": unit(plain),
        NODE_METHOD: both,
        "cosine, mirrored too": unit(both),
    }


def _figures(name: str, trials: _Trials, vectors: Vectors, everyone: AllComparisons) -> MethodFigures:
    scores = euclidean(vectors[trials.first], vectors[trials.second])
    usable = np.isfinite(scores)
    mated, non_mated = scores[trials.mated], scores[~trials.mated & usable]
    return MethodFigures(
        name=name,
        accuracy=accuracy_by_folds(scores, trials.mated, trials.fold),
        accuracy_of_acquired=accuracy_by_folds(scores[usable], trials.mated[usable], trials.fold[usable]),
        at_dlibs=_at_dlibs(mated, non_mated, len(scores)) if name.startswith("Euclidean") else None,
        pairs_at_fmr=[_of_pairs(mated, non_mated, wished) for wished in FMRS if wished * len(non_mated) >= 1],
        all_at_fmr=[_of_all(everyone, wished) for wished in FMRS if wished * len(everyone.non_mated) >= 1],
        curve=det_curve(everyone.mated, everyone.non_mated),
    )


def _at_dlibs(mated: Scores, non_mated: Scores, pairs: int) -> AtDlibs:
    false_matches = fmr(non_mated, DLIB_THRESHOLD_DISSIMILARITY)
    missed = fnmr(mated, DLIB_THRESHOLD_DISSIMILARITY)
    right = len(mated) - missed.count + len(non_mated) - false_matches.count
    return AtDlibs(Rate(right, pairs), false_matches, missed)


def _of_pairs(mated: Scores, non_mated: Scores, wished: float) -> AtFmr:
    threshold = threshold_at_fmr(non_mated, wished)
    return AtFmr(wished, threshold, fmr(non_mated, threshold), tpr(mated, threshold))


def _of_all(everyone: AllComparisons, wished: float) -> AtFmr:
    threshold = threshold_at_fmr(everyone.non_mated, wished)
    matched = ClusteredRate.of(everyone.mated <= threshold, everyone.mated_person)
    return AtFmr(wished, threshold, fmr(everyone.non_mated, threshold), matched)


def _policy(everyone: AllComparisons, wished: float) -> PolicyThreshold:
    # Rounded down: up, a comparison more could match.
    micro = math.floor(threshold_at_fmr(everyone.non_mated, wished) * MICRO)
    missed = everyone.mated > micro / MICRO
    return PolicyThreshold(
        wished, micro, fmr(everyone.non_mated, micro / MICRO), ClusteredRate.of(missed, everyone.mated_person)
    )


def _quality(samples: Mapping[Photo, Sample], policy_threshold: float) -> list[QualityFigures]:
    """Return the curves; photos come person by person."""
    usable = {photo: sample for photo, sample in samples.items() if sample.features is not None}
    pairs = [
        pair
        for _, photos in groupby(usable, key=lambda photo: photo.person)
        for pair in combinations(photos, 2)
    ]
    if not pairs:
        return []
    vectors = dict(zip(usable, _vectors(list(usable.values()))[NODE_METHOD], strict=True))
    scores = euclidean(
        np.array([vectors[first] for first, _ in pairs]), np.array([vectors[second] for _, second in pairs])
    )
    person = np.unique([first.person for first, _ in pairs], return_inverse=True)[1]
    measures = next(iter(usable.values())).quality
    worse = {
        name: np.array([min(usable[photo].quality[name] for photo in pair) for pair in pairs])
        for name in measures
    }
    return [
        QualityFigures(
            threshold=threshold,
            photos=len(samples),
            failures=len(samples) - len(usable),
            fnmr=ClusteredRate.of(scores > threshold, person),
            curves={name: reject_curve(value, scores > threshold) for name, value in worse.items()},
        )
        for threshold in (DLIB_THRESHOLD_DISSIMILARITY, policy_threshold)
    ]


def _kind(reason: str) -> str:
    """Return the reason without its numbers: "3 faces were found, not one" is "several faces"."""
    if "faces were found" in reason:
        return "several faces were found"
    return reason.partition(":")[0]
