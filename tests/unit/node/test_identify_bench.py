"""The bench of searches: counts that are right, figures that are there."""

from pathlib import Path

import pytest
from veilmesh_node.closed_set import NamedAt, search_all, split
from veilmesh_node.errors import InvalidRequestError
from veilmesh_node.gallery_bench import measure_search

pytestmark = pytest.mark.faces


def folder_of(tmp_path: Path, **photos: int) -> Path:
    for person, count in photos.items():
        (tmp_path / person).mkdir()
        for number in range(1, count + 1):
            (tmp_path / person / f"{person}_{number:04d}.jpg").write_bytes(b"")
    (tmp_path / "pairs.txt").write_text("")
    return tmp_path


def test_first_photos_are_enrolled_and_second_ones_searched_for(tmp_path: Path) -> None:
    chosen = split(folder_of(tmp_path, Ada=3, Bob=1, Cyd=2, Dan=0))
    assert sorted(chosen.gallery) == ["Ada", "Bob", "Cyd"]
    assert {path.name for path in chosen.probes.values()} == {"Ada_0002.jpg", "Cyd_0002.jpg"}


def test_nobody_to_search_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="two photos"):
        split(folder_of(tmp_path, Ada=1))


def test_what_is_counted(tmp_path: Path) -> None:
    """Ada is found within both thresholds, Bob within the wider; Cyd is taken for Bob; Dan shows no face."""
    import numpy as np

    chosen = split(folder_of(tmp_path, Ada=2, Bob=2, Cyd=2, Dan=2, Eve=1))
    places = {"Ada_0001": 0.0, "Ada_0002": 0.1, "Bob_0001": 5.0, "Bob_0002": 5.55}
    places |= {"Cyd_0001": 9.0, "Cyd_0002": 5.4, "Dan_0001": 20.0}
    features = {
        path: np.full(16, places[path.stem] / 4) if path.stem in places else None
        for path in (*chosen.gallery.values(), *chosen.probes.values())
    }
    found = search_all(chosen, features)
    assert (found.gallery, found.probes) == (4, 3)
    assert (found.gallery_failures, found.probe_failures) == (1, 1)
    assert (found.top_1, found.top_5) == (2, 3)
    assert found.named == [NamedAt(0.5, 1, 1, 1), NamedAt(0.6, 2, 1, 0)]


def test_a_small_gallery_is_measured() -> None:
    figures = measure_search(3000)
    assert figures.references == 3000
    assert 0 < figures.p50_ms <= figures.p99_ms
    assert figures.cpu_ms > 0
