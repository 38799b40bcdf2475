"""One engine and one public-domain portrait for all tests of faces; nothing is imported where there is no
dlib."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from veilmesh_ml import Engine, Face, RgbImage


@pytest.fixture(scope="session")
def engine() -> "Engine":
    from veilmesh_ml import load_engine

    return load_engine("fast", device="cpu")


@pytest.fixture(scope="session")
def astronaut() -> "RgbImage":
    """512 x 512, one face 88 px wide, 44 px between the eyes."""
    from skimage import data

    image: RgbImage = data.astronaut()  # type: ignore[no-untyped-call]  # scikit-image has no annotations
    image.setflags(write=False)
    return image


@pytest.fixture(scope="session")
def astronaut_faces(engine: "Engine", astronaut: "RgbImage") -> "list[Face]":
    return engine.detect(astronaut)
