"""The one file that a training reads."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from veilmesh_ml.errors import ModelError
from veilmesh_ml.surrogate.shape import ShapeModel
from veilmesh_ml.train.packed import (
    DONORS,
    PEERS,
    Packed,
    PackedExpressions,
    PackedFaces,
    PackedSurrogates,
    compress,
    decode,
    encode_packed,
    grey,
    read_packed,
)

FACES = 5


@pytest.fixture(scope="module")
def packed() -> Packed:
    random = np.random.default_rng(0)
    flat = [np.full((128, 128, 3), 30 * index, dtype=np.uint8) for index in range(FACES)]
    faces = PackedFaces(
        pictures=[compress(picture, 90) for picture in flat],
        landmarks=random.uniform(-20, 150, (FACES, 68, 2)).astype(np.float32),
        people=np.array([0, 0, 1, 2, 3], dtype=np.int32),
        held_out=np.array([False, False, True, False, True]),
        labels=np.array([[31, 1, 4], *[[-1, -1, -1]] * 4], dtype=np.int16),
        features=random.normal(0, 0.1, (FACES, 128)).astype(np.float32),
        donors=random.integers(0, 3, (FACES, DONORS)).astype(np.uint16),
        peers=random.integers(0, FACES, (FACES, PEERS)).astype(np.int32),
    )
    surrogates = PackedSurrogates(
        [compress(np.full((160, 160, 3), 90, dtype=np.uint8), 85)] * 3,
        random.uniform(0, 160, (3, 68, 2)),
        random.uniform(0, 160, (77, 2)),
        ShapeModel(random.normal(size=(136, 4)), np.eye(4), np.eye(4) * 2),
    )
    expressions = PackedExpressions(
        [compress(np.full((48, 48), 100 + index, dtype=np.uint8), 90) for index in range(7)],
        np.arange(7, dtype=np.uint8),
    )
    return Packed({"photos": 5}, faces, surrogates, expressions)


@pytest.fixture
def written(packed: Packed, tmp_path: Path) -> Path:
    path = tmp_path / "faces.npz"
    path.write_bytes(encode_packed(packed))
    return path


class TestRoundTrip:
    def test_all_comes_back(self, packed: Packed, written: Path) -> None:
        read = read_packed(written)
        before, after = packed.require_faces()[0], read.require_faces()[0]
        assert read.description == {"photos": 5}
        assert len(read.digest) == 64
        assert list(after.pictures) == list(before.pictures)
        assert np.abs(after.landmarks - before.landmarks).max() <= 1 / 32
        assert np.abs(after.features - before.features).max() < 3e-4
        for name in ("people", "held_out", "labels", "donors", "peers"):
            assert np.array_equal(getattr(after, name), getattr(before, name)), name
        assert np.allclose(read.require_faces()[1].shapes, packed.require_faces()[1].shapes, atol=1e-4)
        assert read.require_expressions().labels.tolist() == list(range(7))

    def test_pixels(self, written: Path) -> None:
        read = read_packed(written)
        pixels = decode(read.require_faces()[0].pictures)
        assert pixels.shape == (FACES, 128, 128, 3)
        assert [int(picture.mean().round()) for picture in pixels] == pytest.approx(
            [0, 30, 60, 90, 120], abs=2
        )
        assert grey(read.require_expressions().pictures).shape == (7, 48, 48)

    def test_equal_content_gives_equal_bytes(self, packed: Packed) -> None:
        assert encode_packed(packed) == encode_packed(packed)

    def test_a_part_that_was_not_prepared_is_told(self, packed: Packed, tmp_path: Path) -> None:
        path = tmp_path / "part.npz"
        path.write_bytes(encode_packed(dataclasses.replace(packed, faces=None)))
        with pytest.raises(ModelError, match="holds no faces"):
            read_packed(path).require_faces()
        path.write_bytes(encode_packed(dataclasses.replace(packed, expressions=None)))
        with pytest.raises(ModelError, match="holds no expressions"):
            read_packed(path).require_expressions()


class TestBadFiles:
    @pytest.mark.parametrize(
        "spoil", [lambda b: b[: len(b) // 2], lambda _: b"", lambda _: b"photo", lambda b: b[:-40]]
    )
    def test_damaged_or_something_else(self, written: Path, spoil: Any) -> None:
        written.write_bytes(spoil(written.read_bytes()))
        with pytest.raises(ModelError, match="not a packed file of faces, or is damaged"):
            read_packed(written)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="cannot read"):
            read_packed(tmp_path / "nowhere.npz")

    def test_another_npz(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "other.npz", numbers=np.arange(3))
        with pytest.raises(ModelError, match="not a packed file"):
            read_packed(tmp_path / "other.npz")
