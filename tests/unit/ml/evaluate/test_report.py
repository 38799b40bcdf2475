import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from veilmesh_ml.evaluate.plots import det_plot, error_versus_reject_plot
from veilmesh_ml.evaluate.rates import det_curve
from veilmesh_ml.evaluate.report import Plot, Report, Section, Table, html, write_report


def report(**changed: object) -> Report:
    section = Section(
        "Errors <b>", "First.\n\nSecond & last.", (Table(("a", "b"), (("1", "<script>"),)),), (plot(),)
    )
    fields: dict[str, object] = {
        "name": "verification",
        "title": "Verification & more",
        "document": {"fmr": 0.001},
        "sections": (section,),
    }
    return Report(**(fields | changed))  # type: ignore[arg-type]  # the test names real fields


def plot() -> Plot:
    random = np.random.default_rng(7)
    return det_plot(
        {"one": det_curve(random.normal(0, 1, 500), random.normal(3, 1, 500))}, 'FMR "against" FNMR'
    )


def test_report_is_a_document_and_a_page(tmp_path: Path) -> None:
    as_json, page = write_report(report(), tmp_path / "new" / "folder")
    assert json.loads(as_json.read_text()) == {"fmr": 0.001}
    assert (as_json.name, page.name) == ("verification.json", "verification.html")
    assert "Second &amp; last." in page.read_text()


def test_numbers_that_are_not_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_report(report(document={"x": float("nan")}), tmp_path)
    assert not list(tmp_path.iterdir())


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_page_loads_nothing_and_runs_nothing() -> None:
    page = _Page()
    page.feed(html(report()))
    assert "script" not in page.tags
    assert "b" not in page.tags  # the title's was escaped
    assert page.sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)


def test_equal_plots_are_equal_bytes() -> None:
    assert plot().content == plot().content
    curve = error_versus_reject_plot([0, 0.1], {"size": [0.2, 0.1]}, "")
    assert curve.content.lstrip().startswith(b"<?xml")
