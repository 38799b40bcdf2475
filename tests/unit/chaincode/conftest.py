from collections.abc import Iterator

import pytest
from veilmesh_chaincode import state
from veilmesh_chaincode.records.base import Document

from tests.unit.chaincode.consortium import World


@pytest.fixture(autouse=True)
def _records_read_stay_as_read(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every test: no record that calls share was changed in place, its lists included."""
    shared: list[tuple[bytes, Document]] = []
    parse = state._parse_remembered

    def parse_remembered(record: type[Document], value: bytes) -> Document:
        parsed = parse(record, value)
        shared.append((value, parsed))
        return parsed

    monkeypatch.setattr(state, "_parse_remembered", parse_remembered)
    yield
    assert all(record.to_bytes() == value for value, record in shared)


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
