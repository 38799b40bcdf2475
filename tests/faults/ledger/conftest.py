from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from veilmesh_network.network import Network

from tests.faults.ledger.ledger_processes import LedgerProcesses, ledger_processes


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network.create(tmp_path / "network")


@pytest.fixture
async def processes(network: Network) -> AsyncIterator[LedgerProcesses]:
    async with ledger_processes(network) as started:
        yield started
