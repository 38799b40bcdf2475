"""`veilmesh evaluate verification` as a whole, on a folder it is given."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("dlib")
pytest.importorskip("matplotlib")

import cv2
import numpy as np
from veilmesh_ml import write_image
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.main import main

if TYPE_CHECKING:
    from veilmesh_ml import RgbImage

pytestmark = pytest.mark.faces


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    return int(leaving.value.code or 0)


def evaluated(capsys: pytest.CaptureFixture[str], data: Path, report: Path, *more: str) -> dict[str, Any]:
    capsys.readouterr()
    words = ("evaluate", "verification", "--data", str(data), "-o", str(report), "--json", *more)
    assert run(*words) == ExitCode.OK
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.fixture
def made_folder(tmp_path: Path, astronaut: "RgbImage") -> Path:
    """Two people, one being the other one stretched, and one photo that shows nobody."""
    folder = tmp_path / "lfw"
    around = astronaut[20:270, 100:350]
    stretched = cv2.resize(astronaut, (512, 700))[60:310, 100:350]
    for person, picture in (("Eileen", around), ("Slim", stretched)):
        for number, gamma in enumerate((1.0, 0.8, 1.2), start=1):
            relit = (255 * (picture / 255.0) ** gamma).astype(np.uint8)
            write_image(folder / person / f"{person}_{number:04d}.jpg", relit)
    write_image(folder / "Nobody" / "Nobody_0001.jpg", np.full((250, 250, 3), 130, dtype=np.uint8))
    write_pairs(
        folder,
        [
            ["Eileen 1 2", "Slim 1 2", "Eileen 1 Slim 2", "Eileen 2 Nobody 1"],
            ["Eileen 2 3", "Slim 1 3", "Eileen 2 Slim 1", "Eileen 3 Slim 3"],
        ],
    )
    return folder


def write_pairs(folder: Path, folds: Sequence[Sequence[str]]) -> None:
    lines = [f"{len(folds)}\t{len(folds[0]) // 2}", *(line for fold in folds for line in fold)]
    (folder / "pairs.txt").write_text("\n".join(line.replace(" ", "\t") for line in lines) + "\n")


def test_report_counts_what_could_not_be_compared(
    made_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluated(capsys, made_folder, tmp_path / "report", "--fmr", "0.2")
    assert (found["pairs"], found["photos"], found["people"]) == (8, 7, 3)
    assert found["failures"] == {"Nobody/Nobody_0001.jpg": "no face was found"}
    assert (found["failure_to_acquire"]["count"], found["failed_pairs"]) == (1, 1)
    euclidean = found["methods"]["Euclidean"]
    assert euclidean["decisions"]["trials"] == 8
    assert euclidean["decisions"]["count"] <= 7  # the pair with nobody in it is an error
    assert euclidean["at_0.6"]["fnmr"] | {"low": 0, "high": 0} == {
        "count": 0,
        "trials": 4,
        "rate": 0.0,
        "low": 0,
        "high": 0,
    }
    assert 1 <= found["policy"]["threshold_micro"] < 4_000_000
    assert found["policy"]["fmr"]["rate"] <= 0.2


def test_second_run_goes_on_where_the_first_stopped(
    made_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    first = evaluated(capsys, made_folder, report)
    assert (report / "samples.sqlite").stat().st_mode & 0o777 == 0o600
    page = (report / "verification.html").read_text()
    assert page.count("data:image/svg+xml") >= 1
    assert json.loads((report / "verification.json").read_text()) == first
    assert evaluated(capsys, made_folder, report) == first


def test_for_people_it_prints_the_threshold_and_how_to_propose_it(
    made_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("evaluate", "verification", "--data", str(made_folder), "-o", str(tmp_path / "report"))
    assert run(*words, "--fmr", "0.1") == ExitCode.OK
    said = capsys.readouterr().out
    assert "For FMR 0.1: threshold_micro = " in said
    assert "veilmesh policy propose terms.json" in said
    assert "failures to acquire: 14.29%" in said


def test_a_folder_without_pairs_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "verification", "--data", str(tmp_path), "-o", str(tmp_path)) == ExitCode.FAILED
    said = capsys.readouterr().err
    assert "pairs.txt" in said
    assert "hint:" in said


@pytest.mark.photos
def test_real_pairs(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve pairs of each kind of the first two folds: no failure, at most two errors."""
    source = photos / "lfw"
    lines = (source / "pairs.txt").read_text().splitlines()
    folds = [
        [line for kind in (1, 301) for line in lines[600 * fold + kind : 600 * fold + kind + 12]]
        for fold in range(2)
    ]
    folder = tmp_path / "lfw"
    folder.mkdir()
    for line in (line for fold in folds for line in fold):
        for word in line.split("\t"):
            if not word.isdigit() and not (folder / word).exists():
                (folder / word).symlink_to(source / word)
    write_pairs(folder, folds)
    found = evaluated(capsys, folder, tmp_path / "report")
    assert found["pairs"] == 48
    assert found["failures"] == {}
    assert found["methods"]["Euclidean"]["at_0.6"]["accuracy"]["count"] >= 46
