"""One suite, two ledgers: a test that takes `ledger` runs on the embedded one and on a real Fabric network.

The embedded ledger is new for each test, the network is one for all, so tests write under keys that are
`fresh` and count from the height that they found. Whatever they do, both chains must verify: the embedded
ledger's after each test, the network's at the end.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
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
        asyncio.run(_verify(fabric_network.network))


async def _verify(network: Network) -> None:
    async with fabric_ledger(network) as ledger:
        require_verified(await ledger.chain(), ledger.genesis)


@pytest.fixture(params=["embedded", pytest.param("fabric", marks=pytest.mark.fabric)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def network(kind: str, request: pytest.FixtureRequest) -> Network:
    """The network's folder, with everybody's keys. It comes up here, outside of any event loop."""
    if kind == "embedded":
        made: Network = request.getfixturevalue("embedded_network")
        return made
    fabric: FabricNetwork = request.getfixturevalue("fabric_with_chaincodes")
    return fabric.network


@pytest.fixture
async def ledger(network: Network, tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = (
        embedded_ledger(network, tmp_path / "ledger.db") if network.fabric is None else fabric_ledger(network)
    )
    async with opened as running:
        yield running


@pytest.fixture
def fresh() -> str:
    """What no other test's keys begin with."""
    return secrets.token_hex(6) + "-"
