from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.node.plugs import MemoryConsortium


@pytest.fixture
async def consortium(tmp_path: Path) -> AsyncIterator[MemoryConsortium]:
    """Three members with a node each; a policy in force."""
    founded = await MemoryConsortium.found(tmp_path)
    yield founded
    founded.close()
