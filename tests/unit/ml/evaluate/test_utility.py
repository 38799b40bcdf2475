"""What is left of use: boxes found again, landmarks, means and correlations."""

import math

import numpy as np
import pytest

pytest.importorskip("cv2")

from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.utility import found_again, normalised_mean_error


def test_a_face_is_found_again_where_the_boxes_share_half() -> None:
    before = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 0, 0]])
    after = np.array([[0, 0, 10, 10], [6, 0, 16, 10], [0, 0, 0, 0], [0, 0, 10, 10]])
    rate = found_again(before, after)
    assert (rate.count, rate.trials) == (1, 3)  # the last was not found in the original


def test_landmark_error_is_in_distances_of_the_outer_eyes() -> None:
    before = np.zeros((1, 68, 2), np.int64)
    before[0, 45] = (100, 0)
    assert normalised_mean_error(before, before + np.array([3, 4])) == pytest.approx([0.05])


def test_infinite_figures_are_left_out_and_counted_so() -> None:
    mean = Estimate.mean(np.array([1.0, 3.0, math.inf]))
    assert (mean.value, mean.count) == (2, 2)
    assert mean.low < 2 < mean.high


def test_too_few_give_no_figure_and_plain_json() -> None:
    assert Estimate.mean(np.array([math.inf])).document()["value"] is None
    assert Estimate.correlation(np.ones(9), np.arange(9.0)).document()["value"] is None


def test_correlation_has_fishers_interval() -> None:
    draw = np.random.default_rng(0)
    one = draw.standard_normal(500)
    estimate = Estimate.correlation(one, one + draw.standard_normal(500))
    assert estimate.low < math.sqrt(0.5) < estimate.high
    assert estimate.high - estimate.low < 0.12
