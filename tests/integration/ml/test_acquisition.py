"""Many pictures at once give what each gives by itself."""

import pytest

pytest.importorskip("dlib")

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from veilmesh_ml import Engine, RgbImage, read_image, write_image
from veilmesh_ml.acquisition import BATCH, acquire_all
from veilmesh_ml.errors import DamagedImageError
from veilmesh_ml.image import encode_image

pytestmark = pytest.mark.faces


@pytest.fixture
def pictures(tmp_path: Path, astronaut: RgbImage) -> list[Path]:
    """A face, two faces, none, and a file that is cut short."""
    head = astronaut[20:240, 110:330]
    paths = [tmp_path / name for name in ("one.png", "two.png", "none.png", "cut.jpg")]
    write_image(paths[0], head)
    write_image(paths[1], np.hstack([head, head[:, ::-1]]))
    write_image(paths[2], np.full((120, 120, 3), 127, np.uint8))
    paths[3].write_bytes(encode_image(head, "JPEG")[:4000])
    return paths


def test_gives_what_each_picture_gives(engine: Engine, pictures: list[Path]) -> None:
    found = list(acquire_all(engine, pictures, threads=3))
    assert [each.source for each in found] == pictures
    assert [len(each.faces) for each in found] == [1, 2, 0, 0]
    assert [type(each.error) for each in found] == [type(None)] * 3 + [DamagedImageError]
    for each in found[:3]:
        image = read_image(each.source)
        expected = engine.encode(image, engine.detect(image))
        assert each.features.shape == (len(each.faces), 128)
        assert np.allclose(each.features, expected, atol=1e-5)


def test_takes_pictures_as_they_are_needed(engine: Engine, pictures: list[Path]) -> None:
    """An endless source: what lies ahead is bounded."""
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield pictures[2]

    results = acquire_all(engine, endless())
    for _ in itertools.islice(results, 3):
        pass
    del results
    assert taken == 2 * BATCH


def test_no_pictures(engine: Engine) -> None:
    assert list(acquire_all(engine, [])) == []
