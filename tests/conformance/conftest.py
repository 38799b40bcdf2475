"""One suite, two ledgers: a test that takes `ledger` runs on the embedded one and on a real Fabric network.

The embedded ledger is new for each test, the network is one for all, so tests write under keys that are
`fresh` and count from the height that they found. Whatever they do, both chains must verify: the embedded
ledger's after each test, the network's at the end.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from veilmesh_network.network import Network

from tests.conformance.deployed import chaincodes_deployed
from tests.conformance.ledgers import embedded_ledger, fabric_ledger, require_verified
from tests.fabric_network import FabricNetwork
from tests.integration.ledger.ledger import Ledger


@pytest.fixture(scope="session")
def embedded_network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Three members and an auditor; made once, since nothing in it changes."""
    return Network.create(tmp_path_factory.mktemp("consortium") / "network")


@pytest.fixture(scope="session")
def fabric_with_chaincodes(fabric_network: FabricNetwork) -> Iterator[FabricNetwork]:
    """The shared network with the tests' chaincodes; at the end its whole chain is verified."""
    with chaincodes_deployed(fabric_network.network):
        yield fabric_network
        asyncio.run(_verify(fabric_network))


async def _verify(fabric: FabricNetwork) -> None:
    async with fabric_ledger(fabric) as ledger:
        require_verified(await ledger.chain(), ledger.genesis)


@pytest.fixture(params=["embedded", pytest.param("fabric", marks=pytest.mark.fabric)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AbstractAsyncContextManager[Ledger]:
    """One of the two, still to be entered: a network comes up outside of any event loop."""
    if request.param == "embedded":
        return embedded_ledger(request.getfixturevalue("embedded_network"), tmp_path / "ledger.db")
    return fabric_ledger(request.getfixturevalue("fabric_with_chaincodes"))


@pytest.fixture
async def ledger(opened: AbstractAsyncContextManager[Ledger]) -> AsyncIterator[Ledger]:
    async with opened as running:
        yield running


@pytest.fixture
def fresh() -> str:
    """What no other test's keys begin with."""
    return secrets.token_hex(6) + "-"
