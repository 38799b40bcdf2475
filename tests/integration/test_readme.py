"""The README's Python example does what it says."""

import re
from pathlib import Path

import pytest

pytest.importorskip("dlib")

from veilmesh_ml import write_image

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.faces


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skimage.data import astronaut

    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    picture = astronaut()[:300]  # type: ignore[no-untyped-call]  # no annotations
    write_image(tmp_path / "photo.jpg", picture)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102 - our own example
    assert names["features"].shape == (1, 128)  # type: ignore[attr-defined]  # an array
    assert names["result"].image.shape == picture.shape  # type: ignore[attr-defined]
