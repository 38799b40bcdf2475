"""Real daemons, made for the run: on loopback, with a swarm key, and no way to anybody else."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from veilmesh_node.content import IpfsContentStore
from veilmesh_node.content.kubo import KuboDaemon, Patience
from veilmesh_node.content.private_daemon import PrivateDaemon, new_swarm_key

from tests.conftest import NEEDS_IPFS

QUICK = Patience(answer_s=5.0, fetch_s=1.5, index_s=30.0)


@pytest.fixture(scope="session")
def _ipfs() -> None:
    pytest.importorskip("ipfshttpclient", reason=NEEDS_IPFS)
    if shutil.which("ipfs") is None:
        pytest.skip(NEEDS_IPFS)


@pytest.fixture(scope="session")
def swarm_key() -> str:
    return new_swarm_key()


@pytest.fixture(scope="session")
def process(_ipfs: None, tmp_path_factory: pytest.TempPathFactory, swarm_key: str) -> Iterator[PrivateDaemon]:
    """Org1's daemon."""
    with PrivateDaemon.make(tmp_path_factory.mktemp("ipfs") / "org1", swarm_key) as daemon:
        yield daemon.start(online=True)


@pytest.fixture(scope="session")
def other_process(
    process: PrivateDaemon, tmp_path_factory: pytest.TempPathFactory, swarm_key: str
) -> Iterator[PrivateDaemon]:
    """Org2's, connected to org1's."""
    with PrivateDaemon.make(tmp_path_factory.mktemp("ipfs") / "org2", swarm_key) as daemon:
        daemon.start(online=True).connect(process)
        yield daemon


async def emptied(process: PrivateDaemon) -> KuboDaemon:
    daemon = KuboDaemon(process.address, QUICK)
    for cid in await daemon.pins():
        await daemon.unpin(cid)
    await daemon.collect()
    return daemon


@pytest.fixture
async def daemon(process: PrivateDaemon) -> AsyncIterator[KuboDaemon]:
    """The client of org1's daemon, which has nothing."""
    client = await emptied(process)
    yield client
    client.close()


@pytest.fixture
async def other(other_process: PrivateDaemon) -> AsyncIterator[KuboDaemon]:
    """The client of org2's."""
    client = await emptied(other_process)
    yield client
    client.close()


@pytest.fixture
def store(daemon: KuboDaemon) -> IpfsContentStore:
    return IpfsContentStore(daemon)


@pytest.fixture
def repository(process: PrivateDaemon, tmp_path: Path) -> PrivateDaemon:
    """A daemon that a test may do anything with; it is not started."""
    del process  # it only says that there is an `ipfs`
    return PrivateDaemon.make(tmp_path / "repository")
