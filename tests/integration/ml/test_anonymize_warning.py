"""`veilmesh anonymize` says when a method is known not to hide a face."""

from pathlib import Path

import pytest

pytest.importorskip("dlib")

from veilmesh_node.cli.anonymize import KNOWN_TO_FAIL
from veilmesh_node.cli.main import main

pytestmark = pytest.mark.faces


@pytest.mark.parametrize(("method", "warned"), [("blur", True), ("pixelate", True), ("mask", False)])
def test_warns_of_classic_methods(
    method: str, warned: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The file is no picture, so nothing is anonymized: the warning comes first."""
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(SystemExit):
        main(["anonymize", str(tmp_path / "a.jpg"), "-o", str(tmp_path / "out"), "-m", method])
    said = capfd.readouterr().err
    assert ("McPherson" in said) is warned is (method in KNOWN_TO_FAIL)
