"""A chain of an embedded ledger, which peers of its organisations serve to an auditor."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from veilmesh_network.network import AUDITOR, Network
from veilmesh_node.cli.provisioning import write_client_home

from tests.integration.audit.deliver_server import DeliverServer, delivering
from tests.integration.ledger.key_value import KeyValue
from tests.integration.ledger.ledger import embedded

Serve = Callable[..., DeliverServer]


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return Network.create(tmp_path_factory.mktemp("audited") / "network")


@pytest.fixture(scope="session")
def chain(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Sequence[bytes]:
    """A dozen blocks, one of which holds a transaction that lost a race."""

    async def make() -> list[bytes]:
        async with embedded(network, tmp_path_factory.mktemp("ledger") / "ledger.db", KeyValue()) as ledger:
            contract = ledger.contract()
            for number in range(6):
                await contract.submit("put", f"key{number % 2}", str(number))
            racing = [await contract.endorse("add", "count") for _ in range(2)]
            for transaction in racing:
                await transaction.submit()
            for transaction in racing:
                await transaction.commit_status()
            for number in range(3):
                await contract.submit("put", "last", str(number))
            return await ledger.chain()

    return asyncio.run(make())


@pytest.fixture
def home(network: Network, tmp_path: Path) -> Path:
    return auditor_home(network, tmp_path)


def auditor_home(network: Network, folder: Path) -> Path:
    """Write the auditor's client folder into `folder`, and return it."""
    auditor = network.auditors[0]
    write_client_home(network, auditor, auditor.identity(AUDITOR), folder / "auditor")
    return folder / "auditor"


@pytest.fixture
def serve(network: Network) -> Iterator[Serve]:
    """Start a peer of an organisation that serves some blocks: serve("org2", blocks)."""
    with ExitStack() as stack:

        def start(organisation: str, blocks: Sequence[bytes], *, hidden: int = 0) -> DeliverServer:
            authority = network.organisation(organisation).tls
            return stack.enter_context(delivering(blocks, authority, hidden=hidden))

        yield start
