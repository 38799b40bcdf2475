"""What `veilmesh bench content` measures is a surrogate of the release gate's, on a daemon of its own."""

import pytest
from veilmesh_node.content_bench import measure_content

pytestmark = [pytest.mark.ipfs, pytest.mark.faces, pytest.mark.usefixtures("_ipfs")]


def test_figures() -> None:
    pytest.importorskip("dlib", reason="the gate encodes faces: install the [faces] extra")
    figures = measure_content(rounds=3)
    assert 9_000 < figures.surrogate_bytes < 11_000
    for times in (figures.add, figures.bare_add, figures.cat, figures.bare_cat, figures.remove):
        assert 0 < times.p50_ms <= times.p99_ms
        assert times.cpu_ms > 0
