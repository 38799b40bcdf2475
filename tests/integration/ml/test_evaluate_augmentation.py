"""`veilmesh evaluate augmentation` as a whole, on a folder it is given."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("dlib")
pytest.importorskip("matplotlib")

import cv2
import numpy as np
from veilmesh_ml import write_image
from veilmesh_ml.weights import weights_entry
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.main import main

if TYPE_CHECKING:
    from veilmesh_ml import RgbImage

pytestmark = pytest.mark.faces


def evaluated(capsys: pytest.CaptureFixture[str], data: Path, report: Path) -> dict[str, Any]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as leaving:
        main(["evaluate", "augmentation", "--data", str(data), "-o", str(report), "--json"])
    assert (leaving.value.code or 0) == ExitCode.OK
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.fixture
def folder(tmp_path: Path, astronaut: "RgbImage") -> Path:
    """Two people, one being the other one stretched, with four photos each; and one outside the initials."""
    around = astronaut[20:270, 100:350]
    stretched = cv2.resize(astronaut, (512, 700))[60:310, 100:350]
    for person, picture in (("Sally", around), ("Zoe", stretched), ("Anna", around)):
        for number, gamma in enumerate((1.0, 0.8, 1.2, 0.9), start=1):
            relit = (255 * (picture / 255.0) ** gamma).astype(np.uint8)
            write_image(tmp_path / "photos" / person / f"{person}_{number:04d}.jpg", relit)
    return tmp_path / "photos"


def test_everybody_with_more_than_three_photos_is_looked_for(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = evaluated(capsys, folder, tmp_path / "report")
    assert (document["people_sought"], document["people_enrolled"]) == (2, 2)
    by_photo = {(row["added"], row["real_photos"], row["rule"]): row for row in document["rows"]}
    for real in (1, 2, 3):
        row = by_photo["plain augmentation", real, "nearest picture"]
        assert (row["accuracy"]["count"], row["accuracy"]["trials"]) == (2, 2)
        assert row["synthetic_pictures"] == 2 * real * 8
    if "stylegan" not in _shipped():
        assert "without weights" in document["missing"]
        assert not any(row["added"].startswith("stylegan") for row in document["rows"])
    assert "<svg" not in (tmp_path / "report" / "augmentation.html").read_text()  # plots come as images
    assert (tmp_path / "report" / "augmentation.html").read_text().count("image/svg+xml") == 2
    kept = sorted((tmp_path / "report" / "augmentation-cache").iterdir())
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert evaluated(capsys, folder, tmp_path / "report")["rows"] == document["rows"]
    assert {path: path.stat().st_mtime_ns for path in kept} == before


def test_people_with_few_photos_cannot_be_judged(
    tmp_path: Path, astronaut: "RgbImage", capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "photos" / "Sally" / "Sally_0001.jpg", astronaut)
    with pytest.raises(SystemExit) as leaving:
        main(["evaluate", "augmentation", "--data", str(tmp_path / "photos"), "-o", str(tmp_path / "report")])
    assert leaving.value.code != ExitCode.OK
    assert "more than 3 photos" in capsys.readouterr().err


def _shipped() -> set[str]:
    from veilmesh_ml.errors import ModelError

    try:
        weights_entry("stylegan")
    except ModelError:
        return set()
    return {"stylegan"}
