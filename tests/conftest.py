"""What tests of every kind share, where there are such: the folder of real photos, real Fabric networks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from veilmesh_network.errors import BinariesError
from veilmesh_network.fabric.binaries import find_binaries
from veilmesh_network.fabric.plan import Orderers

from tests.fabric_network import NEEDS_FABRIC, FabricNetwork, running_network

NEEDS_IPFS = "needs kubo's `ipfs` on PATH, and the [ipfs] extra"
PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of photos: `lfw/NAME/*.jpg`, `photos/johns/NAME/*.jpg` and others."""
    named = os.environ.get("VEILMESH_FACES")
    folder = Path(named) if named else PROJECT.parent / "shared" / "faces"
    if not (folder / "lfw").is_dir():
        pytest.skip("no folder of photos: set VEILMESH_FACES, or put it at ../shared/faces")
    return folder


@pytest.fixture(scope="session")
def fabric_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricNetwork]:
    """A real network of three members and one Raft orderer, shared by all tests that leave it as it is."""
    with running_network(tmp_path_factory.mktemp("raft") / "network") as network:
        yield network


@pytest.fixture(scope="session")
def fabric_raft3_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricNetwork]:
    """The same with three Raft orderers."""
    folder = tmp_path_factory.mktemp("raft3") / "network"
    with running_network(folder, orderers=Orderers.RAFT3) as network:
        yield network


@pytest.fixture(scope="session")
def fabric_bft_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricNetwork]:
    """The same with four SmartBFT orderers."""
    folder = tmp_path_factory.mktemp("bft") / "network"
    with running_network(folder, orderers=Orderers.BFT) as network:
        yield network


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say in the last lines which tests did not run for want of other programs, and how to have those."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    for reason, what_is_missing in ((NEEDS_FABRIC, _what_is_missing), (NEEDS_IPFS, lambda: NEEDS_IPFS)):
        skipped = [report for report in reporter.stats.get("skipped", []) if reason in str(report.longrepr)]
        if skipped:
            folders = ", ".join(sorted({report.location[0].rpartition("/")[0] for report in skipped}))
            reporter.write_line(
                f"{len(skipped)} tests in {folders} did not run: {what_is_missing()}", yellow=True
            )


def _what_is_missing() -> str:
    try:
        find_binaries()
    except BinariesError as err:
        return str(err)
    return "Fabric's binaries were missing while they ran"
