"""The report names what fails, and takes the best of each kind of attack."""

from pathlib import Path

import pytest

pytest.importorskip("dlib")
pytest.importorskip("sklearn")

from veilmesh_ml.evaluate.anonymizers import METHODS, AnonymizersResult, MethodResult
from veilmesh_ml.evaluate.anonymizers_report import (
    anonymizers_report,
    failing,
    groups_of_attacks,
    share,
    summary_rows,
)
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.measuring import ORIGINAL, Method
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.reidentification import Outcome
from veilmesh_ml.evaluate.report import html, write_report
from veilmesh_ml.evaluate.trials import Photo, Trials
from veilmesh_ml.evaluate.utility import Utility

pytestmark = pytest.mark.faces


def _outcome(hits: int, gallery: int = 1000) -> Outcome:
    rate = ClusteredRate(hits, 500, 250)
    return Outcome(rate, Rate(1, 1000), rate, rate, 0.5, 400_000, gallery)


def _row(method: Method, direct: int, learnt: int) -> MethodResult:
    figure = Estimate(0.5, 0.4, 0.6, 90)
    attacks = {
        "direct": _outcome(direct),
        "smooth": _outcome(direct + 1),
        "linear map": _outcome(learnt),
        "10 outputs, mean picture": _outcome(direct),
    }
    utility = Utility(
        {"hog": Rate(9, 10), "mmod": Rate(8, 10)},
        figure,
        figure,
        figure,
        None,
        None,
        figure,
        figure,
        figure,
        5,
    )
    return MethodResult(method, {"dlib": attacks}, {"dlib": _outcome(0, 0)}, ClusteredRate(3, 9, 9), utility)


@pytest.fixture
def result() -> AnonymizersResult:
    photo = Photo("Sabe", "Sabe/1.jpg")
    rows = [_row(ORIGINAL, 480, 480), _row(METHODS["blur"], 1, 60), _row(METHODS["mask"], 0, 1)]
    trials = Trials((photo,), (), (photo,), (), ())
    return AnonymizersResult(trials, 0, 1, Rate(4, 9), {"dlib": 0.5}, {}, {}, rows, None, 7.0)


def test_a_method_fails_by_its_worst_attack(result: AnonymizersResult) -> None:
    assert failing(result) == ["blur"]  # 60 of 500 by the linear map alone


def test_the_original_is_no_method_that_fails(result: AnonymizersResult) -> None:
    assert "original" not in failing(result)


def test_of_each_kind_the_best_attack(result: AnonymizersResult) -> None:
    best = groups_of_attacks(result.methods[1], "dlib")
    names = {kind: None if attack is None else attack[0] for kind, attack in best.items()}
    assert names == {
        "as it is": "direct",
        "restored": "smooth",
        "ten averaged": "10 outputs, mean picture",
        "learnt": "linear map",
    }


def test_the_page_says_what_fails_and_what_could_not_be_shown(result: AnonymizersResult) -> None:
    page = html(anonymizers_report(result))
    assert "These fail: blur." in page
    assert "could not be shown here: mask." in page
    assert "McPherson" in page


def test_it_is_written_as_json_without_anything_infinite(result: AnonymizersResult, tmp_path: Path) -> None:
    as_json, page = write_report(anonymizers_report(result), tmp_path)
    assert as_json.stat().st_size > 1000
    assert page.stat().st_size > 1000


def test_the_terminals_table_has_a_cell_for_every_column(result: AnonymizersResult) -> None:
    columns, rows = summary_rows(result)
    assert {len(row) for row in rows} == {len(columns)}


def test_a_share_without_a_trial_is_a_dash() -> None:
    assert share(ClusteredRate(0, 0, 0)) == share(None) == "-"
