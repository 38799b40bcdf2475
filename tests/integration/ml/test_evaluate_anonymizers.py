"""`veilmesh evaluate anonymizers` and `permutation` as a whole, on a folder made here and on a few people."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("sklearn")

from veilmesh_ml import RgbImage, write_image
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.main import main

from tests.unit.ml.tiny_onnx import write_encoder

pytestmark = pytest.mark.faces


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as leaving:
        main([*words, "--json"])
    said = capsys.readouterr()
    assert int(leaving.value.code or 0) == ExitCode.OK, said.err
    document: dict[str, Any] = json.loads(said.out)
    return document


def _make_people(folder: Path, portrait: RgbImage, names: Sequence[str], photos: int) -> None:
    """Write photos of one face, in another light each."""
    draw = np.random.default_rng(len(names))
    part = portrait[:240, 110:350].astype(np.float64)
    for name in names:
        tint = draw.uniform(0.7, 1.2, 3)
        for number in range(photos):
            picture = np.clip(part * tint + draw.normal(0, 4, part.shape), 0, 255).astype(np.uint8)
            write_image(folder / name / f"{name}_{number:04}.png", picture)


def _make_labelled(folder: Path, portrait: RgbImage) -> None:
    """Write four photos each of two genders and two groups, all of one face."""
    part = portrait[:240, 110:350].astype(np.float64)
    for number in range(16):
        gender, group, date = number % 2, number // 2 % 2, number // 4
        picture = np.clip(part * (0.8 + number / 40), 0, 255).astype(np.uint8)
        write_image(folder / f"40_{gender}_{group}_{date}.png", picture)


def test_a_folder_made_here(tmp_path: Path, astronaut: RgbImage, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "people", tmp_path / "report"
    _make_people(data / "lfw", astronaut, ["Sabe", "Tove", "Ulla"], 2)
    _make_people(data / "lfw", astronaut, [f"Bo{number}" for number in range(6)], 2)
    _make_people(data / "lfw", astronaut, ["Zoe"], 1)
    _make_labelled(data / "utkface_train", astronaut)
    (tmp_path / "models").mkdir()
    words = ("evaluate", "anonymizers", "--data", str(data), "-o", str(out), "--people", "3")
    attacker = ("--attacker", str(write_encoder(tmp_path / "models")))
    document = _run(capsys, *words, *attacker, "--methods", "mask,noise")
    assert (document["people_judged"], document["gallery"], document["probes"]) == (3, 4, 3)
    assert document["photos_without_face"] == 0
    assert list(document["methods"]) == ["original", "mask", "noise"]
    assert document["methods"]["original"]["attacks"].keys() == {"dlib", "tiny"}
    for name, keyed in (("mask", False), ("noise", True)):
        attacks = document["methods"][name]["attacks"]["dlib"]
        assert {"direct", "found again", "smooth", "linear map", "own outputs", "small CNN"} <= attacks.keys()
        assert ("10 outputs, mean picture" in attacks) == keyed
        assert attacks["direct"]["tpr_recalibrated"]["trials"] == 3
    use = document["methods"]["original"]["utility"]
    assert use["found"]["hog"]["rate"] == use["found"]["mmod"]["rate"] == 1
    for name, row in document["methods"].items():
        whole = row["whole_picture"]
        assert (whole["untouched_outside"]["count"], whole["untouched_outside"]["trials"]) == (3, 3)
        assert (whole["ssim"]["value"] == 1) == (name == "original")
        likeness = row["likeness_to_originals"]["dlib"]
        assert likeness["precision"]["trials"] == likeness["recall"]["trials"] == 3
        for resemblance in row["resemblance_to_people_learnt_from"].values():
            assert resemblance["comparisons"]["trials"] == 3 * document["training_photos"]
            assert (resemblance["times_chance"]["value"] == 1) or name != "original"
        assert row["expression"] is None  # no photos of FER2013
        groups = row["groups"]
        assert groups["found"]["gender"]["male"]["trials"] == 6  # three of each group: as many as people
        assert groups["found"]["group"]["black"]["rate"] == (1 if name == "original" else 0)
        assert groups["nme"]["group"]["Asian"]["value"] is None
        recognised = groups["reidentified"]["dlib"]["gender"]
        assert recognised["male"]["trials"] + recognised["female"]["trials"] == 3
    assert json.loads((out / "anonymizers.json").read_text()) == document
    page = (out / "anonymizers.html").read_text()
    assert page.count('<img src="data:image/svg+xml') == 2
    assert all(f"<h2>{title}</h2>" in page for title in ("The whole picture", "Near real photos", "Groups"))

    blocks = {path: path.stat().st_mtime_ns for path in (out / "anonymizers-cache").iterdir()}
    again = _run(capsys, *words, *attacker, "--methods", "mask,noise")
    assert {path: path.stat().st_mtime_ns for path in (out / "anonymizers-cache").iterdir()} == blocks
    assert again["methods"] == document["methods"]


@pytest.mark.photos
def test_a_few_real_people(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Originals are recognised and a mask is not; ten noisy outputs together show what one does not."""
    people = [path for path in sorted((photos / "lfw").iterdir()) if path.is_dir()]
    several = [path for path in people if len(list(path.glob("*.jpg"))) in (2, 3)]
    judged = [path for path in several if path.name[0] >= "S"][::20][:5]
    learnt = [path for path in several if path.name[0] < "S"][::90][:7]
    for person in (*judged, *learnt, *[path for path in people if path.name[0] >= "S"][::60]):
        target = tmp_path / "data" / "lfw" / person.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(person)
    out = tmp_path / "report"
    document = _run(
        capsys,
        *("evaluate", "anonymizers", "--data", str(tmp_path / "data"), "-o", str(out)),
        *("--people", "5", "--methods", "mask"),
    )
    attacks = {name: row["attacks"]["dlib"] for name, row in document["methods"].items()}
    assert attacks["original"]["direct"]["rank1"]["rate"] > 0.7
    assert attacks["mask"]["direct"]["rank1"]["rate"] < 0.5
    assert document["methods"]["original"]["utility"]["found"]["hog"]["rate"] == 1
    assert document["methods"]["mask"]["utility"]["found"]["hog"]["rate"] < 0.5
    assert document["methods"]["mask"]["utility"]["gender_kept"] is None  # nothing to learn it from
    assert document["methods"]["mask"]["groups"] is None


def test_permutation_of_a_folder_made_here(
    tmp_path: Path, astronaut: RgbImage, capsys: pytest.CaptureFixture[str]
) -> None:
    _make_people(tmp_path / "orl", astronaut, ["s1"], 1)
    for path in (tmp_path / "orl").rglob("*.png"):
        path.rename(path.with_suffix(".pgm"))  # read by content, listed by name
    _make_people(tmp_path / "lfw", astronaut, ["Sabe", "Tove"], 1)
    for path in (tmp_path / "lfw").rglob("*.png"):
        path.rename(path.with_suffix(".jpg"))
    out = tmp_path / "report"
    words = ("evaluate", "permutation", "--data", str(tmp_path), "-o", str(out), "--photos", "4")
    document = _run(capsys, *words)
    rows = {(row["collection"], row["treatment"]): row for row in document["rows"]}
    assert rows["LFW", "original"]["ssim"]["value"] == 1
    swept = [rows["LFW", f"permute {n}"] for n in (4500, 6500, 8500)]
    assert [row["ssim"]["value"] for row in swept] == sorted(
        (row["ssim"]["value"] for row in swept), reverse=True
    )
    assert rows["LFW", "permute 8000"]["published"] == {"ssim": 0.8549, "psnr_db": 23.89}
    assert rows["AT&T", "permute 9360"]["published"] == {"ssim": 0.5465, "psnr_db": 20.7846}
    assert (out / "permutation.html").read_text().count("<img") == 6


def test_folders_that_cannot_be_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, said in (("anonymizers", "0 people from S to Z"), ("permutation", "neither lfw")):
        with pytest.raises(SystemExit) as leaving:
            main(["evaluate", command, "--data", str(tmp_path), "-o", str(tmp_path / "out")])
        assert int(leaving.value.code or 0) == ExitCode.FAILED
        assert said in capsys.readouterr().err


def test_a_method_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["evaluate", "anonymizers", "--data", str(tmp_path), "--methods", "blur,fog"])
    assert int(leaving.value.code or 0) == ExitCode.FAILED
    assert "fog" in capsys.readouterr().err
