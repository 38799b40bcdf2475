"""Thresholds, mated comparisons, searches and links on made features."""

import math

import numpy as np
import pytest

pytest.importorskip("scipy")

from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.reidentification import (
    JUDGED_FMR,
    FaceSet,
    distances,
    fixed_threshold,
    link,
    mated_scores,
    reidentify,
)

DRAW = np.random.default_rng(0)
PEOPLE = 400


def _faces(features: np.ndarray, people: np.ndarray, first_photo: int) -> FaceSet:
    return FaceSet(features, people, first_photo + np.arange(len(people)))


@pytest.fixture(scope="module")
def centres() -> np.ndarray:
    return DRAW.standard_normal((PEOPLE, 16))


@pytest.fixture(scope="module")
def gallery(centres: np.ndarray) -> FaceSet:
    return _faces(centres + 0.1 * DRAW.standard_normal(centres.shape), np.arange(PEOPLE), 0)


def _probes(centres: np.ndarray, away: float) -> FaceSet:
    """Two photos each of the first hundred people, moved away from everybody by the same step."""
    people = np.repeat(np.arange(100), 2)
    features = centres[people] + 0.1 * DRAW.standard_normal((200, 16))
    features = np.hstack([features, np.full((200, 1), away)])
    return _faces(features, people, PEOPLE)


def _widened(faces: FaceSet) -> FaceSet:
    return FaceSet(np.hstack([faces.features, np.zeros((len(faces.people), 1))]), faces.people, faces.photos)


def test_originals_are_recognised(centres: np.ndarray, gallery: FaceSet) -> None:
    probes, searched = _probes(centres, 0), _widened(gallery)
    threshold = fixed_threshold(probes, searched)
    outcome = reidentify(probes, searched, searched, threshold)
    assert outcome.tpr_fixed is not None
    assert outcome.tpr_fixed.value == outcome.tpr.value == 1
    assert outcome.rank1 is not None
    assert (outcome.rank1.count, outcome.rank1.trials) == (200, 200)
    assert outcome.non_mated == 200 * (PEOPLE - 1)


def test_the_fixed_threshold_alone_flatters_what_moves_all_distances(
    centres: np.ndarray, gallery: FaceSet
) -> None:
    searched = _widened(gallery)
    threshold = fixed_threshold(_probes(centres, 0), searched)
    outcome = reidentify(_probes(centres, 50), searched, searched, threshold)
    assert outcome.tpr_fixed is not None
    assert outcome.fmr_fixed is not None
    assert (outcome.tpr_fixed.value, outcome.fmr_fixed.value) == (0, 0)
    assert outcome.tpr.value == 1  # and nothing is hidden at all
    assert outcome.threshold > threshold


def test_the_recalibrated_threshold_keeps_the_fmr(centres: np.ndarray, gallery: FaceSet) -> None:
    probes, searched = _probes(centres, 3), _widened(gallery)
    outcome = reidentify(probes, searched, searched)
    found = distances(probes.features, searched.features)
    wrong = found[probes.people[:, np.newaxis] != searched.people]
    share = np.count_nonzero(wrong <= outcome.threshold) / len(wrong)
    assert JUDGED_FMR - 1 / len(wrong) <= share <= JUDGED_FMR


def test_noise_is_found_no_more_often_than_by_chance(gallery: FaceSet) -> None:
    people = np.repeat(np.arange(PEOPLE), 2)
    probes = _faces(DRAW.standard_normal((2 * PEOPLE, 16)), people, PEOPLE)
    outcome = reidentify(probes, gallery, gallery)
    low, high = outcome.tpr.interval
    assert low <= JUDGED_FMR <= high
    assert outcome.rank1 is not None
    assert outcome.rank1.interval[0] <= 1 / PEOPLE <= outcome.rank1.interval[1]


def test_a_probe_is_never_compared_with_its_own_original() -> None:
    features = np.array([[0.0], [1.0], [5.0]])
    people, photos = np.array([1, 1, 2]), np.array([10, 11, 12])
    faces = FaceSet(features, people, photos)
    scores, whose = mated_scores(faces, faces)
    assert scores.tolist() == [1.0, 1.0]  # photo 10 with 11 and back, neither with itself, 12 with none
    assert whose.tolist() == [1, 1]


def test_outputs_link_where_a_person_shows_in_them(centres: np.ndarray) -> None:
    shows, hides = _probes(centres, 0), _probes(DRAW.standard_normal((PEOPLE, 16)) * 0, 0)
    assert link(shows).tpr.value == 1
    outcome = link(hides)
    assert outcome.tpr.interval[0] <= JUDGED_FMR
    assert outcome.tpr.trials == 100  # one pair a person


def test_two_outputs_of_one_photo_are_not_linked_persons() -> None:
    features = np.vstack([np.zeros((2, 2)), DRAW.standard_normal((30, 2)) + 9])
    people = np.array([0, 0, *range(1, 31)])
    same_photo = FaceSet(features, people, np.array([7, 7, *range(100, 130)]))
    assert link(same_photo).tpr.trials == 0


def test_independent_trials_have_wilsons_interval() -> None:
    hits = np.arange(200) < 30
    rate = ClusteredRate.of(hits, np.arange(200))
    assert rate.effective_trials == pytest.approx(200, rel=0.01)
    assert rate.interval == pytest.approx(Rate(30, 200).interval, abs=1e-3)


def test_repeating_every_trial_tells_no_more() -> None:
    hits, people = np.arange(200) < 30, np.arange(200)
    once = ClusteredRate.of(hits, people)
    fourfold = ClusteredRate.of(np.repeat(hits, 4), np.repeat(people, 4))
    assert fourfold.value == once.value
    assert fourfold.interval == pytest.approx(once.interval, abs=1e-3)


def test_without_a_hit_people_count() -> None:
    rate = ClusteredRate.of(np.zeros(400, dtype=np.bool_), np.repeat(np.arange(50), 8))
    assert rate.interval == pytest.approx(Rate(0, 50).interval, abs=1e-4)


def test_no_trial_is_no_figure() -> None:
    rate = ClusteredRate.of(np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.int64))
    assert math.isnan(rate.value)
    assert rate.interval == (0, 1)
    assert rate.document()["rate"] is None
