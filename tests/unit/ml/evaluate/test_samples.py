from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("dlib")

from veilmesh_ml.evaluate.sample_cache import SampleCache, SampleCacheError
from veilmesh_ml.evaluate.samples import Sample, acquire, centred, method_of
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import write_image

if TYPE_CHECKING:
    from veilmesh_ml import Engine, RgbImage

pytestmark = pytest.mark.faces


def face_at(left: int, top: int, size: int = 40) -> Face:
    return Face(Box(left, top, left + size, top + size), np.zeros((68, 2), dtype=np.int64), 1.0)


def test_the_centred_face_is_meant() -> None:
    image = np.zeros((200, 300, 3), dtype=np.uint8)
    bystander, subject = face_at(10, 80), face_at(140, 85)
    assert centred([bystander, subject], image) is subject
    assert centred([bystander], image) is None
    assert centred([], image) is None


SAMPLE = Sample(
    np.arange(3.0), np.arange(3.0) + 1, 2, "", {"unified": 70.5}, ("2 faces were found, not one",)
)
FAILURE = Sample(None, None, 0, "no face was found", {}, ("no face was found",))


def test_samples_are_kept_between_runs(tmp_path: Path) -> None:
    path = tmp_path / "new" / "samples.sqlite"
    with SampleCache(path, "method") as cache:
        cache.add({"a": SAMPLE, "b": FAILURE})
    assert path.stat().st_mode & 0o777 == 0o600
    with SampleCache(path, "method") as cache:
        found = cache.find("a")
        assert found is not None
        assert found.features is not None
        assert found.mirrored is not None
        assert found.features.tolist() == [0, 1, 2]
        assert found.mirrored.tolist() == [1, 2, 3]
        assert (found.faces, found.quality, found.refusals) == (2, SAMPLE.quality, SAMPLE.refusals)
        failure = cache.find("b")
        assert failure is not None
        assert (failure.features, failure.failure) == (None, "no face was found")
        assert cache.find("c") is None
    with SampleCache(path, "another method") as cache:
        assert cache.find("a") is None


def test_something_else_is_not_taken_for_a_cache(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    path.write_bytes(b"these are notes" * 100)
    with pytest.raises(SampleCacheError, match=r"cannot use .*samples\.sqlite"):
        SampleCache(path, "method")


@pytest.fixture
def folder(tmp_path: Path, astronaut: "RgbImage") -> list[Path]:
    """A face in the middle, one at the border, none, and a file that is no picture."""
    write_image(tmp_path / "centred.png", astronaut[20:220, 120:320])
    write_image(tmp_path / "aside.png", astronaut[20:220, 180:380])
    write_image(tmp_path / "nobody.png", np.full((60, 60, 3), 90, dtype=np.uint8))
    (tmp_path / "notes.png").write_bytes(b"no picture")
    return [tmp_path / f"{name}.png" for name in ("centred", "aside", "nobody", "notes")]


def test_every_photo_gives_features_or_a_reason(engine: "Engine", folder: list[Path], tmp_path: Path) -> None:
    told: list[int] = []
    with SampleCache(tmp_path / "samples.sqlite", method_of(engine)) as cache:
        found = acquire(engine, folder, cache, told.append)
        again = acquire(engine, folder, cache, told.append)
    assert list(found) == folder
    assert set(told) == {4}
    assert [bool(sample.failure) for sample in found.values()] == [False, True, True, True]
    reasons = [sample.failure for sample in found.values()]
    assert reasons[1:3] == ["no face in the middle of the photo", "no face was found"]
    assert "not a picture" in reasons[3]
    centre = found[folder[0]]
    assert centre.features is not None
    assert centre.mirrored is not None
    assert 0 < np.linalg.norm(centre.features - centre.mirrored) < 0.4
    assert 50 < centre.quality["unified"] <= 100
    kept = again[folder[0]].features
    assert kept is not None
    assert kept.tolist() == centre.features.tolist()


def test_what_was_kept_is_not_made_again(engine: "Engine", folder: list[Path], tmp_path: Path) -> None:
    class Tired:
        """The engine, which has stopped working."""

        def __getattr__(self, name: str) -> object:
            if name in {"detect", "encode_chips", "align"}:
                raise AssertionError(name)
            return getattr(engine, name)

    tired: Engine = Tired()  # type: ignore[assignment]  # everything else is the engine's
    with SampleCache(tmp_path / "samples.sqlite", method_of(engine)) as cache:
        acquire(engine, folder[:3], cache, lambda _: None)
        assert len(acquire(tired, folder[:3], cache, lambda _: None)) == 3
