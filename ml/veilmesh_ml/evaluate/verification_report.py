"""An evaluation of verification as a document for scripts and a page for people."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.error_versus_reject import RejectCurve
from veilmesh_ml.evaluate.fold_accuracy import FoldAccuracy
from veilmesh_ml.evaluate.plots import det_plot, error_versus_reject_plot
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.report import Plot, Report, Section, Table
from veilmesh_ml.evaluate.verification import (
    PHOTOS_A_PERSON,
    AtDlibs,
    AtFmr,
    MethodFigures,
    PolicyThreshold,
    QualityFigures,
    Verification,
)

REJECTED_AT_MOST = (0.2, 0.95)
SHOWN_REJECTED = 0.5
_DRAWN_POINTS = 200


def verification_report(found: Verification) -> Report:
    """Return the report."""
    return Report(
        name="verification",
        title=f"Verification: {found.engine} engine, {found.pairs:,} pairs of {found.photos:,} photos",
        document=_document(found),
        sections=(
            _photos_section(found),
            _protocol_section(found),
            _all_section(found),
            *(_quality_section(figures) for figures in found.quality),
        ),
    )


def told(rate: Rate | ClusteredRate) -> str:
    """Return a counted share for people."""
    if not rate.trials:
        return "no trial"
    low, high = rate.interval
    return f"{rate.value:.2%} ({rate.count:,} of {rate.trials:,}; {low:.2%} to {high:.2%})"


def _document(found: Verification) -> Mapping[str, Any]:
    return {
        "engine": found.engine,
        "detector": found.detector,
        "model_digest": found.model_digest,
        "pairs": found.pairs,
        "photos": found.photos,
        "people": found.people,
        "failure_to_acquire": found.failure_to_acquire.document(),
        "failures": dict(found.failures),
        "failed_pairs": found.failed_pairs,
        "several_faces": found.several_faces,
        "refused_at_enrolment": found.refused,
        "refusals": dict(found.refusals),
        "methods": {figures.name: _method_document(figures) for figures in found.methods},
        "policy": _policy_document(found.policy),
        "quality": [_quality_document(figures) for figures in found.quality],
    }


def _method_document(figures: MethodFigures) -> Mapping[str, Any]:
    return {
        "accuracy": figures.accuracy.mean,
        "standard_error": figures.accuracy.standard_error,
        "accuracies": list(figures.accuracy.accuracies),
        "thresholds": list(figures.accuracy.thresholds),
        "decisions": figures.accuracy.decisions.document(),
        "accuracy_of_acquired": figures.accuracy_of_acquired.mean,
        "standard_error_of_acquired": figures.accuracy_of_acquired.standard_error,
        "at_0.6": None if figures.at_dlibs is None else _at_dlibs_document(figures.at_dlibs),
        "equal_error_rate": figures.curve.equal_error_rate,
        "pairs_at_fmr": [_at_fmr_document(at) for at in figures.pairs_at_fmr],
        "all_comparisons_at_fmr": [_at_fmr_document(at) for at in figures.all_at_fmr],
    }


def _at_dlibs_document(at: AtDlibs) -> Mapping[str, Any]:
    return {"accuracy": at.accuracy.document(), "fmr": at.fmr.document(), "fnmr": at.fnmr.document()}


def _at_fmr_document(at: AtFmr) -> Mapping[str, Any]:
    return {
        "wished_fmr": at.wished_fmr,
        "threshold": at.threshold,
        "fmr": at.fmr.document(),
        "tpr": at.tpr.document(),
    }


def _policy_document(policy: PolicyThreshold) -> Mapping[str, Any]:
    return {
        "wished_fmr": policy.wished_fmr,
        "threshold_micro": policy.threshold_micro,
        "fmr": policy.fmr.document(),
        "fnmr": policy.fnmr.document(),
    }


def _quality_document(figures: QualityFigures) -> Mapping[str, Any]:
    return {
        "threshold": figures.threshold,
        "photos": figures.photos,
        "failures": figures.failures,
        "fnmr": figures.fnmr.document(),
        "relative_area": {
            name: {str(most): _or_none(curve.relative_area(most)) for most in REJECTED_AT_MOST}
            for name, curve in figures.curves.items()
        },
    }


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _photos_section(found: Verification) -> Section:
    rows = [
        ("no usable face (failure to acquire)", told(found.failure_to_acquire)),
        ("pairs with such a photo", f"{found.failed_pairs:,}"),
        ("more than one face", f"{found.several_faces:,}"),
        ("refused for enrolment", f"{found.refused:,}"),
        *((f"refused: {reason}", f"{count:,}") for reason, count in found.refusals.items()),
    ]
    failures = [(photo, reason) for photo, reason in found.failures.items()]
    return Section(
        "Photos",
        f"{found.photos:,} photos of {found.people:,} people. Detector: {found.detector}. Encoder: SHA-256 "
        f"{found.model_digest[:16]}… Of several faces the one in the middle of the photo is meant: that is "
        "LFW's convention.",
        tables=(
            Table(("photos", "count"), rows),
            *((Table(("failure to acquire", "reason"), failures),) if failures else ()),
        ),
    )


def _protocol_section(found: Verification) -> Section:
    columns = ("method", "accuracy", "without failures", "threshold", "at 0.6", "FMR at 0.6", "FNMR at 0.6")
    return Section(
        "The protocol",
        "Accuracy is the mean of the folds and its standard error; every fold is decided at the threshold "
        "that is best on the others. A pair with a failure to acquire is an error; the column without "
        "failures leaves such pairs out. Cosine is written as the distance of unit vectors.",
        tables=(
            Table(columns, [_protocol_row(figures) for figures in found.methods]),
            Table(
                ("method", "wished FMR", "threshold", "FMR", "TPR"),
                [row for figures in found.methods for row in _at_fmr_rows(figures, figures.pairs_at_fmr)],
            ),
        ),
    )


def _protocol_row(figures: MethodFigures) -> Sequence[str]:
    at = figures.at_dlibs
    return (
        figures.name,
        _accuracy(figures.accuracy),
        _accuracy(figures.accuracy_of_acquired),
        f"{figures.accuracy.threshold:.3f}",
        *(("", "", "") if at is None else (told(at.accuracy), told(at.fmr), told(at.fnmr))),
    )


def _accuracy(folds: FoldAccuracy) -> str:
    return f"{folds.mean:.2%} ± {folds.standard_error:.2%}"


def _at_fmr_rows(figures: MethodFigures, rates: Sequence[AtFmr]) -> list[Sequence[str]]:
    return [
        (figures.name, f"{at.wished_fmr:g}", f"{at.threshold:.4f}", told(at.fmr), told(at.tpr))
        for at in rates
    ]


def _all_section(found: Verification) -> Section:
    policy = found.policy
    return Section(
        "All comparisons",
        "Every photo with every other. A mated comparison with a failure to acquire is a false non-match; "
        "non-mated ones with a failure are left out. Intervals of TPR and FNMR allow for the many "
        "comparisons of one person.\n\n"
        f"For FMR {policy.wished_fmr:g} the policy's threshold_micro is {policy.threshold_micro}: FMR "
        f"{told(policy.fmr)}, FNMR {told(policy.fnmr)}.",
        tables=(
            Table(
                ("method", "wished FMR", "threshold", "FMR", "TPR"),
                [row for figures in found.methods for row in _at_fmr_rows(figures, figures.all_at_fmr)],
            ),
            Table(
                ("method", "equal error rate"),
                [(figures.name, f"{figures.curve.equal_error_rate:.2%}") for figures in found.methods],
            ),
        ),
        plots=(
            det_plot(
                {figures.name: figures.curve for figures in found.methods},
                "Detection error trade-off over all comparisons",
            ),
        ),
    )


def _quality_section(figures: QualityFigures) -> Section:
    return Section(
        f"Does quality predict errors? At threshold {figures.threshold:.3f}",
        f"Mated comparisons of people S to Z, at most {PHOTOS_A_PERSON} photos a person, {figures.photos:,} "
        f"in all, {figures.failures:,} of them without features and left out; FNMR {told(figures.fnmr)}. The "
        "area under the curve, comparisons of worst quality being rejected first, relative to rejecting by "
        "chance: below 1, quality predicts errors.",
        tables=(
            Table(
                ("quality", *(f"rejecting up to {most:.0%}" for most in REJECTED_AT_MOST)),
                [
                    (name, *(f"{curve.relative_area(most):.3f}" for most in REJECTED_AT_MOST))
                    for name, curve in figures.curves.items()
                ],
            ),
        ),
        plots=(_reject_plot(figures),),
    )


def _reject_plot(figures: QualityFigures) -> Plot:
    shares = np.linspace(0, SHOWN_REJECTED, _DRAWN_POINTS)

    def drawn(curve: RejectCurve) -> list[float]:
        return [float(value) for value in np.interp(shares, curve.rejected, curve.fnmr)]

    curves = {name: drawn(curve) for name, curve in figures.curves.items()}
    curves["by chance"] = [figures.fnmr.value] * len(shares)
    return error_versus_reject_plot(
        [float(share) for share in shares],
        curves,
        f"Error versus reject at threshold {figures.threshold:.3f}",
    )
