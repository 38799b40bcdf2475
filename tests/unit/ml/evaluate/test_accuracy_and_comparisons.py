import numpy as np
import pytest

pytest.importorskip("sklearn")

from veilmesh_ml.evaluate.comparisons import compare_all, euclidean, unit
from veilmesh_ml.evaluate.error_versus_reject import reject_curve
from veilmesh_ml.evaluate.fold_accuracy import accuracy_by_folds, best_threshold


def test_best_threshold_is_the_median_of_the_best() -> None:
    scores, mated = np.array([0.1, 0.2, 0.3, 0.9]), np.array([True, True, False, False])
    assert best_threshold(scores, mated) == 0.2
    assert best_threshold(np.array([0.1, 0.2, 0.3]), np.array([True, False, True])) == pytest.approx(0.2)


def test_each_fold_is_decided_at_the_threshold_of_the_others() -> None:
    scores = np.array([0.1, 0.5, 0.4, 0.8, 0.45, 0.6])
    mated = np.array([True, False] * 3)
    fold = np.array([0, 0, 1, 1, 2, 2])
    found = accuracy_by_folds(scores, mated, fold)
    # Fold 0 is decided at 0.45; fold 1 at 0.45; fold 2 at 0.4, where its mated pair of 0.45 is missed.
    assert found.thresholds == (0.45, 0.45, 0.4)
    assert found.accuracies == (1.0, 1.0, 0.5)
    assert found.mean == pytest.approx(5 / 6)
    assert found.standard_error == pytest.approx(np.std([1, 1, 0.5], ddof=1) / np.sqrt(3))
    assert (found.decisions.count, found.decisions.trials) == (5, 6)


def test_a_pair_without_a_score_is_an_error_mated_or_not() -> None:
    scores = np.array([0.1, np.inf, np.inf, 0.9, 0.1, 0.9])
    mated = np.array([True, False] * 3)
    found = accuracy_by_folds(scores, mated, np.array([0, 0, 1, 1, 2, 2]))
    assert found.accuracies == (0.5, 0.5, 1.0)


def test_scores_of_pairs() -> None:
    first, second = np.array([[0.0, 3.0], [np.nan, np.nan]]), np.array([[4.0, 0.0], [1.0, 1.0]])
    assert euclidean(first, second).tolist() == [5.0, np.inf]
    assert np.allclose(np.linalg.norm(unit(np.array([[3.0, 4.0], [0.1, 0.0]])), axis=1), 1)


def test_every_photo_is_compared_with_every_other_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilmesh_ml.evaluate.comparisons.ROWS_AT_ONCE", 3)
    random = np.random.default_rng(8)
    vectors, people = random.normal(size=(10, 4)), list("ABABCADCAB")
    vectors[4] = np.nan
    found = compare_all(vectors, people)
    distance = np.linalg.norm(vectors[:, np.newaxis] - vectors, axis=2)
    mated: list[float] = []
    non_mated: list[float] = []
    for row in range(10):
        for other in range(row + 1, 10):
            (mated if people[row] == people[other] else non_mated).append(distance[row, other])
    expected = np.where(np.isnan(mated), np.inf, mated)
    assert np.allclose(np.sort(found.mated), np.sort(expected), atol=1e-6)
    assert np.count_nonzero(np.isinf(found.mated)) == 1  # C has two photos, one of them without features
    expected_non_mated = np.sort([score for score in non_mated if np.isfinite(score)])
    assert np.allclose(np.sort(found.non_mated), expected_non_mated, atol=1e-6)
    people_of_mated, counts = np.unique(found.mated_person, return_counts=True)
    assert people_of_mated.tolist() == [0, 1, 2]
    assert counts.tolist() == [6, 3, 1]


def test_quality_that_knows_the_errors_halves_them_fast() -> None:
    missed = np.arange(100) < 10
    knows, knows_not = np.arange(100.0), np.zeros(100)
    curve = reject_curve(knows, missed)
    assert curve.fnmr[0] == pytest.approx(0.1)
    assert curve.fnmr[10] == 0
    assert curve.rejected[10] == pytest.approx(0.1)
    assert curve.relative_area(0.95) < 0.1
    assert reject_curve(-knows, missed).relative_area(0.5) > 1.3
    assert reject_curve(knows_not, missed).relative_area(0.5) == pytest.approx(1, abs=0.5)


def test_equal_quality_is_rejected_by_chance_and_always_the_same_way() -> None:
    missed = np.random.default_rng(9).random(5000) < 0.1
    first, second = (reject_curve(np.zeros(5000), missed) for _ in range(2))
    assert first.fnmr.tolist() == second.fnmr.tolist()
    assert first.relative_area(0.5) == pytest.approx(1, abs=0.1)


def test_no_error_to_predict() -> None:
    assert np.isnan(reject_curve(np.arange(4.0), np.zeros(4, dtype=np.bool_)).relative_area(0.5))
