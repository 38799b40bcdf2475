"""Networks of their own for tests that kill and pause what they consist of."""

import asyncio
from collections.abc import Iterator

import pytest
from veilmesh_network.fabric.plan import Orderers

from tests.fabric_network import FabricNetwork, found_consortium, running_network


@pytest.fixture(scope="package")
def raft3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricNetwork]:
    """Three members and three Raft orderers, of which one may fail."""
    with running_network(tmp_path_factory.mktemp("faults") / "network", orderers=Orderers.RAFT3) as network:
        asyncio.run(found_consortium(network))
        yield network


@pytest.fixture(scope="package")
def bft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricNetwork]:
    """Three members and four SmartBFT orderers, of which one may fail."""
    with running_network(tmp_path_factory.mktemp("faults") / "network", orderers=Orderers.BFT) as network:
        asyncio.run(found_consortium(network))
        yield network
