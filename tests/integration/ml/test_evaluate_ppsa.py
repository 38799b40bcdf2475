"""`veilmesh evaluate ppsa` from photos to the report, with tiny networks in place of the shipped ones."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dlib")
pytest.importorskip("sklearn")

from veilmesh_ml import write_image
from veilmesh_ml.surrogate.attributes import LIKENESS_COMPONENTS
from veilmesh_ml.surrogate.latents import LatentClusters, encode_latents
from veilmesh_ml.weights import shipped_bank
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.main import main

from tests.unit.ml.shipped_tiny import ship_tiny_ppsa

pytestmark = pytest.mark.faces


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One portrait ten times, each time cut otherwise; one landscape without a face."""
    from skimage import data

    portrait = data.astronaut()  # type: ignore[no-untyped-call]  # scikit-image has no annotations
    for number in range(10):
        folder = tmp_path / "photos" / "lfw" / f"Sally_{number}"
        folder.mkdir(parents=True)
        write_image(folder / f"Sally_{number}_0001.jpg", portrait[number * 4 : 300, 60 + number * 5 : 400])
    empty = tmp_path / "photos" / "lfw" / "Zed"
    empty.mkdir()
    write_image(empty / "Zed_0001.jpg", np.full((200, 200, 3), 90, dtype=np.uint8))
    return tmp_path / "photos"


@pytest.fixture(autouse=True)
def _tiny_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank, random = shipped_bank(), np.random.default_rng(4)
    likenesses = random.normal(size=(4, 8, LIKENESS_COMPONENTS))
    clusters = LatentClusters(
        centres=bank.attributes[:4],
        spread=bank.spread,
        latents=random.normal(size=(4, 8, 6)).astype(np.float32),
        likenesses=likenesses / np.linalg.norm(likenesses, axis=2, keepdims=True),
        expressions=random.dirichlet(np.ones(7), size=(4, 8)),
        shapes=bank.shapes[:4],
        people=np.full(4, 24),
    )
    folder = tmp_path / "weights"
    folder.mkdir()
    ship_tiny_ppsa(folder, monkeypatch, encode_latents(clusters))


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(("evaluate", "ppsa", *words))
    return int(leaving.value.code or 0)


def test_the_whole_table(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten faces of eleven photos; what the vault's cipher makes of pictures looks random, even twice."""
    report = tmp_path / "report"
    assert run("--data", str(photos), "-o", str(report), "--json") == ExitCode.OK
    document = json.loads((report / "ppsa.json").read_text())
    assert json.loads(capsys.readouterr().out) == document
    assert (document["photos"], document["faces"], document["clusters"]) == (11, 10, 10)
    for pairs in ("one_pixel", "identity"):
        assert document["stored"][pairs]["npcr"]["value"] == pytest.approx(0.9961, abs=3e-3)
        assert document["stored"][pairs]["uaci"]["value"] == pytest.approx(0.3346, abs=6e-3)
    assert document["told_apart"]["accuracy"]["trials"] == 10
    assert document["ledger"]["single_ms"] > document["ledger"]["batched_ms"] > 0
    assert document["generation_ms"]["batch 1"] > 0
    page = (report / "ppsa.html").read_text()
    assert "identity test" in page
    assert "13.99" in page


def test_photos_without_faces_are_told(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Photos of people before S take no part."""
    for number in range(10):
        folder = photos / "lfw" / f"Sally_{number}"
        folder.rename(folder.with_name(f"Ally_{number}"))
    assert run("--data", str(photos), "-o", str(tmp_path / "report")) == ExitCode.FAILED
    assert "0 faces in 1 photos are too few" in capsys.readouterr().err
