"""The portrait and an engine."""

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
    from skimage import data

    image: RgbImage = data.astronaut()  # type: ignore[no-untyped-call]  # scikit-image has no annotations
    return image


@pytest.fixture(scope="session")
def astronaut_faces(engine: "Engine", astronaut: "RgbImage") -> "list[Face]":
    return engine.detect(astronaut)
