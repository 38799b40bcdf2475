"""The measurement itself: it runs whole on a small size and reports what it did."""

import pytest

pytest.importorskip("dlib")

from pathlib import Path

import numpy as np
from veilmesh_ml import bench_faces, write_image
from veilmesh_ml.errors import ParameterError

pytestmark = pytest.mark.faces


def test_a_small_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_faces, "BATCHES", (1, 2))
    monkeypatch.setattr(bench_faces, "MMOD_SIZES", ((160, 120),))
    monkeypatch.setattr(bench_faces, "ROUNDS", 1)
    said: list[str] = []
    report = bench_faces.bench_faces(bench_faces.make_pictures(tmp_path, 2), said.append)
    assert said
    assert report.pictures == 2
    assert "BLAS" in report.dlib
    assert set(report.encoder) == {"batch of 1", "batch of 2"}
    assert all(each.largest_difference < 1e-4 for each in report.encoder.values())
    assert all(each.times_as_fast > 2 for each in (*report.encoder.values(), *report.mmod.values()))
    assert sum(report.shares.values()) == pytest.approx(1)
    assert min(report.pictures_per_s.values()) > 0
    assert report.document()["encoder"]["batch of 1"]["times_as_fast"] > 2


def test_pictures_without_a_face_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "grey.jpg", np.full((100, 100, 3), 127, np.uint8))
    with pytest.raises(ParameterError, match="no face"):
        bench_faces.bench_faces(bench_faces.choose_pictures(tmp_path), lambda _: None)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no JPEG"):
        bench_faces.choose_pictures(tmp_path)


def test_chosen_pictures_are_spread_evenly(tmp_path: Path) -> None:
    for index in range(100):
        (tmp_path / f"{index:03}.jpg").touch()
    chosen = [int(path.stem) for path in bench_faces.choose_pictures(tmp_path)]
    assert len(chosen) <= bench_faces.PICTURES
    assert chosen == list(range(0, 100, 4))
