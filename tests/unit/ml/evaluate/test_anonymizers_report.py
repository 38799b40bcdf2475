"""The report names what fails, and takes the best of each kind of attack."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("dlib")
pytest.importorskip("sklearn")

from veilmesh_ml.evaluate.anonymizers import METHODS, AnonymizersResult, MethodResult
from veilmesh_ml.evaluate.anonymizers_report import (
    anonymizers_report,
    failing,
    groups_of_attacks,
    summary_rows,
)
from veilmesh_ml.evaluate.cells import between, share
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.distributions import Coverage
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.group_gaps import ByClass, ByLabel, F, GroupFigures
from veilmesh_ml.evaluate.groups import CLASSES
from veilmesh_ml.evaluate.kept_expression import KeptExpression
from veilmesh_ml.evaluate.likeness_of_sets import SetLikeness
from veilmesh_ml.evaluate.measuring import ORIGINAL, Method
from veilmesh_ml.evaluate.nobody import Resemblance
from veilmesh_ml.evaluate.outputs import OutputFigures
from veilmesh_ml.evaluate.outputs_report import resembling
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.reidentification import Outcome
from veilmesh_ml.evaluate.report import html, write_report
from veilmesh_ml.evaluate.trials import Photo, Trials
from veilmesh_ml.evaluate.utility import Utility
from veilmesh_ml.evaluate.whole_pictures import WholePictures

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
    return MethodResult(
        method,
        {"dlib": attacks},
        {"dlib": _outcome(0, 0)},
        ClusteredRate(3, 9, 9),
        utility,
        _outputs(matches=40 if method is ORIGINAL else 2 * direct),
    )


def _outputs(matches: int) -> OutputFigures:
    figure = Estimate(0.05, 0.04, 0.06, 90)
    matched = ClusteredRate(matches, 400_000, 200_000)
    return OutputFigures(
        whole=WholePictures(figure, figure, Rate(90, 90)),
        likeness={"dlib": SetLikeness(figure, Coverage(Rate(50, 90), Rate(40, 90)))},
        resemblance={"dlib": Resemblance(matched, ClusteredRate(9, 90, 80))},
        expression=KeptExpression(Rate(30, 70), Rate(50, 70)),
        groups=GroupFigures(
            {"dlib": _by_class(lambda place: ClusteredRate(place, 90, 60))},
            _by_class(lambda place: Rate(90 - place, 90)),
            _by_class(lambda place: Estimate(0.05 + place / 1000, 0.04, 0.06, 90 - place)),
        ),
    )


def _by_class(figure_of: Callable[[int], F]) -> ByLabel[F]:
    return {
        label: ByClass({name: figure_of(place) for place, name in enumerate(names)})
        for label, names in CLASSES.items()
    }


@pytest.fixture
def result() -> AnonymizersResult:
    photo = Photo("Sabe", "Sabe/1.jpg")
    rows = [_row(ORIGINAL, 480, 480), _row(METHODS["blur"], 1, 60), _row(METHODS["mask"], 0, 1)]
    trials = Trials((photo,), (), (photo,), (), ())
    return AnonymizersResult(trials, 0, 1, Rate(4, 9), {"dlib": 0.5}, {}, {}, Rate(20, 70), rows, None, 7.0)


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


def test_a_method_like_people_it_learnt_from_is_named(result: AnonymizersResult) -> None:
    assert resembling(result) == []
    alike = dataclasses.replace(result.methods[1], outputs=_outputs(matches=81))
    just_not = dataclasses.replace(result.methods[2], outputs=_outputs(matches=80))
    changed = dataclasses.replace(result, methods=[result.methods[0], alike, just_not])
    assert resembling(changed) == ["blur"]
    assert "Above it: blur." in html(anonymizers_report(changed))


def test_what_outputs_are_like_is_on_the_page(result: AnonymizersResult) -> None:
    report = anonymizers_report(result)
    page = html(report)
    for title in ("The whole picture", "Near real photos", "Nobody&#x27;s face", "Expression", "Groups"):
        assert f"<h2>{title}</h2>" in page
    assert "white (90)" in page
    assert ": other over white" in page
    assert "FID" not in page
    tables = [table for section in report.sections for table in section.tables]
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)


def test_what_could_not_be_measured_is_left_out_or_a_dash(result: AnonymizersResult) -> None:
    bare = [
        dataclasses.replace(row, outputs=dataclasses.replace(row.outputs, expression=None, groups=None))
        for row in result.methods
    ]
    report = anonymizers_report(dataclasses.replace(result, methods=bare, commonest_expression=None))
    titles = [section.title for section in report.sections]
    assert "Near real photos" in titles
    assert {"Expression", "Groups"}.isdisjoint(titles)
    (table,) = next(section for section in report.sections if section.title == "Near real photos").tables
    assert table.rows[0][4:] == ["-", "-", "-"]  # the classifier's space


def test_it_is_written_as_json_without_anything_infinite(result: AnonymizersResult, tmp_path: Path) -> None:
    as_json, page = write_report(anonymizers_report(result), tmp_path)
    assert as_json.stat().st_size > 1000
    assert page.stat().st_size > 1000


def test_the_terminals_table_has_a_cell_for_every_column(result: AnonymizersResult) -> None:
    columns, rows = summary_rows(result)
    assert {len(row) for row in rows} == {len(columns)}


def test_ends_below_nothing_are_not_taken_for_a_range() -> None:
    assert between(0.5, (-1, 2)) == "0.5 (-1.0 to 2.0)"
    assert between(1.5, (1, 2)) == "1.5 (1.0\u20112.0)"


def test_a_share_without_a_trial_is_a_dash() -> None:
    assert share(ClusteredRate(0, 0, 0)) == share(None) == "-"
