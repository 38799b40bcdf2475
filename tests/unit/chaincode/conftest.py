import pytest

from tests.unit.chaincode.consortium import World


@pytest.fixture
async def world() -> World:
    """An established consortium: nodes active, model approved, policy in force."""
    established = World()
    await established.establish()
    return established


@pytest.fixture
async def founded() -> World:
    """A consortium just founded."""
    new = World()
    await new.found()
    return new
