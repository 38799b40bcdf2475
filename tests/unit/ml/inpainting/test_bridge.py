"""Filling between known pixels."""

import numpy as np
import pytest
from veilmesh_ml.inpainting.bridge import bridged

SIDE = 32


def test_what_is_known_stays() -> None:
    random = np.random.default_rng(0)
    picture, known = random.random((SIDE, SIDE, 3)), random.random((SIDE, SIDE)) < 0.5
    assert np.allclose(bridged(picture, known.astype(np.float64))[known], picture[known], atol=1e-6)


def test_one_colour_fills_all() -> None:
    known = np.zeros((SIDE, SIDE))
    known[3, 20] = 1
    assert np.allclose(bridged(np.full((SIDE, SIDE, 2), 0.7), known), 0.7, atol=1e-6)


def test_unknown_colours_count_for_nothing() -> None:
    random = np.random.default_rng(0)
    known = np.zeros((SIDE, SIDE))
    known[:, :4] = known[:, -4:] = 1
    one, other = random.random((2, SIDE, SIDE, 1))
    other[known > 0] = one[known > 0]
    assert np.array_equal(bridged(one, known), bridged(other, known))


def test_between_two_colours_it_goes_over_without_a_step() -> None:
    picture = np.zeros((SIDE, SIDE, 1))
    picture[:, SIDE // 2 :] = 1
    known = np.zeros((SIDE, SIDE))
    known[:, 0] = known[:, -1] = 1
    row = bridged(picture, known)[SIDE // 2, :, 0]
    assert row[0] == pytest.approx(0)
    assert row[-1] == pytest.approx(1)
    assert np.diff(row).max() < 0.3
    assert np.diff(row).min() > -0.05
