"""What tests of every kind share: the folder of real photos, where there is one."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of photos: `lfw/NAME/*.jpg`, `photos/johns/NAME/*.jpg` and others."""
    named = os.environ.get("VEILMESH_FACES")
    folder = Path(named) if named else PROJECT.parent / "shared" / "faces"
    if not (folder / "lfw").is_dir():
        pytest.skip("no folder of photos: set VEILMESH_FACES, or put it at ../shared/faces")
    return folder
