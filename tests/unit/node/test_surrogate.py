"""Nothing but what the release gate let out can be published."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import veilmesh_ml
import veilmesh_node
from veilmesh_node.content import FolderContentStore
from veilmesh_node.errors import SurrogateRefusedError
from veilmesh_node.surrogate import Surrogate

from tests.unit.node.plugs import forged_surrogate


class Lookalike:
    """Has all that a surrogate has, and was never anonymized."""

    image = b"a photo"
    anonymizer = "mask"
    parameters_sha256 = gate_model_digest = "0" * 64


@pytest.mark.parametrize("content", [b"a photo", Lookalike(), Path("photo.png"), None])
def test_a_store_takes_nothing_else(tmp_path: Path, content: object) -> None:
    store = FolderContentStore(tmp_path)
    with pytest.raises(TypeError, match="only surrogates are stored"):
        # mypy refuses it too, and would call this comment unused if it did not.
        asyncio.run(store.put(content))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_it_cannot_be_changed_afterwards() -> None:
    with pytest.raises(AttributeError):
        forged_surrogate(b"anonymized").image = b"a photo"  # type: ignore[misc]  # frozen


def test_its_image_stays_out_of_logs() -> None:
    assert "secret pixels" not in repr(forged_surrogate(b"secret pixels"))


@pytest.mark.faces
class TestReleases:
    """The one way to make one."""

    @pytest.fixture(autouse=True)
    def _needs_faces(self) -> None:
        pytest.importorskip("cv2", reason="install the [faces] extra")

    def test_only_a_release_makes_one(self) -> None:
        for pretended in (b"a photo", Lookalike()):
            with pytest.raises(TypeError, match="made from a release"):
                Surrogate(pretended, gate_model_digest="0" * 64)  # type: ignore[arg-type]  # refused there, too

    def test_a_release_without_a_passed_verdict_makes_none(self) -> None:
        import numpy as np
        from veilmesh_ml.anonymizers import ChangedArea
        from veilmesh_ml.gate import GateLevel, GateVerdict
        from veilmesh_ml.release import Release, ReleasedFace

        image = np.zeros((8, 8, 3), np.uint8)
        unchecked = GateVerdict("mask", GateLevel.STANDARD, 0.6, checks=())
        area = object.__new__(ChangedArea)
        for faces in ((), (ReleasedFace("mask", {}, area, unchecked),)):
            with pytest.raises(SurrogateRefusedError, match="did not pass every face"):
                Surrogate(Release(image, faces, ()), gate_model_digest="0" * 64)


def calls(package: Path, name: str) -> Iterator[str]:
    """The modules of a package in which something of this name is called."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
                yield path.relative_to(package).as_posix()


def test_releases_and_surrogates_are_made_in_one_place_each() -> None:
    ml, node = (Path(package.__path__[0]) for package in (veilmesh_ml, veilmesh_node))
    assert list(calls(ml, "Release")) == ["release.py"]
    assert list(calls(node, "Release")) == []
    assert list(calls(node, "Surrogate")) == ["faces.py"]
    assert list(calls(node, "__new__")) == []  # nobody goes round a constructor
    assert list(calls(node, "add_bytes")) == ["content/kubo.py"]  # which takes a `Surrogate`
