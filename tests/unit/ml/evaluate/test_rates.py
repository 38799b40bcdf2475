import math

import numpy as np
import pytest

pytest.importorskip("sklearn")

from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import det_curve as sklearn_det_curve
from veilmesh_ml.evaluate.rates import Rate, det_curve, fmr, fnmr, threshold_at_fmr, tpr

MATED = np.array([0.1, 0.2, 0.3, 0.7])
NON_MATED = np.array([0.25, 0.6, 0.8, 0.9, 1.0])


def test_errors_are_counted_at_and_below_the_threshold() -> None:
    assert fmr(NON_MATED, 0.6) == Rate(2, 5)
    assert fnmr(MATED, 0.3) == Rate(1, 4)
    assert tpr(MATED, 0.3) == Rate(3, 4)
    assert fnmr(MATED, 0.29999) == Rate(2, 4)


def test_a_photo_without_features_matches_nobody() -> None:
    assert fnmr(np.array([0.1, np.inf]), 10.0) == Rate(1, 2)
    assert fmr(np.array([0.1, np.inf]), 10.0) == Rate(1, 2)


def test_wilson_interval_of_known_counts() -> None:
    # 0 of 40 and 15 of 100: Wilson's formula by hand, z = 1.959964.
    assert Rate(0, 40).interval == pytest.approx((0.0, 0.08762), abs=1e-5)
    assert Rate(15, 100).interval == pytest.approx((0.09306, 0.23283), abs=1e-5)
    assert Rate(0, 0).interval == (0.0, 1.0)
    assert math.isnan(Rate(0, 0).value)
    assert Rate(0, 0).document()["rate"] is None


def test_threshold_lies_just_below_the_first_comparison_that_may_not_match() -> None:
    for wished, allowed in ((0.0, 0), (0.19, 0), (0.2, 1), (0.5, 2), (0.99, 4)):
        threshold = threshold_at_fmr(NON_MATED, wished)
        assert fmr(NON_MATED, threshold).count == allowed
        assert threshold == pytest.approx(NON_MATED[allowed])


def test_rounding_of_the_wished_fmr_costs_no_comparison() -> None:
    scores = np.arange(3000.0)
    assert fmr(scores, threshold_at_fmr(scores, 0.001)).count == 3
    assert fmr(scores, threshold_at_fmr(scores, 0.01)).count == 30


@given(st.lists(st.floats(0, 2), min_size=1, max_size=50), st.floats(0, 0.999))
def test_no_threshold_lets_more_through_than_wished(scores: list[float], wished: float) -> None:
    non_mated = np.array(scores)
    assert fmr(non_mated, threshold_at_fmr(non_mated, wished)).value <= wished + 1e-9


def test_no_threshold_without_comparisons() -> None:
    with pytest.raises(ValueError, match="from 0 comparisons"):
        threshold_at_fmr(np.array([]), 0.1)
    with pytest.raises(ValueError, match="FMR 1"):
        threshold_at_fmr(NON_MATED, 1)


def test_det_curve_is_scikit_learns() -> None:
    random = np.random.default_rng(5)
    mated, non_mated = random.normal(0.4, 0.1, 300), random.normal(0.7, 0.1, 400)
    curve = det_curve(mated, non_mated, points=10_000)
    false_match, false_non_match, thresholds = sklearn_det_curve(
        np.r_[np.ones(300), np.zeros(400)], -np.r_[mated, non_mated]
    )
    where = np.searchsorted(curve.threshold, -thresholds, side="right") - 1
    assert np.allclose(curve.fmr[where], false_match)
    assert np.allclose(curve.fnmr[where], false_non_match)


def test_equal_error_rate_of_a_known_pair_of_bells() -> None:
    random = np.random.default_rng(6)
    mated, non_mated = random.normal(0, 1, 40_000), random.normal(3, 1, 40_000)
    # Equal bells three deviations apart meet at 1.5 deviations: the normal tail beyond 1.5 is .0668.
    assert det_curve(mated, non_mated).equal_error_rate == pytest.approx(0.0668, abs=0.003)
