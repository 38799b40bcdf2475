"""The portrait, an engine, and the folder of real photos where there is one."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from veilmesh_ml import Engine, RgbImage

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def engine() -> "Engine":
    from veilmesh_ml import load_engine

    return load_engine("reference")


@pytest.fixture(scope="session")
def astronaut() -> "RgbImage":
    from skimage import data

    image: RgbImage = data.astronaut()  # type: ignore[no-untyped-call]  # scikit-image has no annotations
    return image


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of photos: `lfw/NAME/*.jpg`, `photos/johns/NAME/*.jpg` and others."""
    named = os.environ.get("VEILMESH_FACES")
    folder = Path(named) if named else PROJECT.parent / "shared" / "faces"
    if not (folder / "lfw").is_dir():
        pytest.skip("no folder of photos: set VEILMESH_FACES, or put it at ../shared/faces")
    return folder
