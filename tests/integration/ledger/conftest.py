"""The ledger that the tests of this folder run against. Whatever a test does to it, its chain must verify."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from veilmesh_network.network import Network

from tests.integration.ledger.key_value import KeyValue
from tests.integration.ledger.ledger import Ledger, embedded


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Three members and an auditor; made once, since nothing in it changes."""
    return Network.create(tmp_path_factory.mktemp("consortium") / "network")


@pytest.fixture
async def ledger(network: Network, tmp_path: Path) -> AsyncIterator[Ledger]:
    async with embedded(network, tmp_path / "ledger.db", KeyValue()) as running:
        yield running
        await running.verify()
