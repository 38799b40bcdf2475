"""What a Fabric network's folder goes through: up, down, up again, killed, half made, and used wrongly."""

import asyncio
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pytest
from veilmesh_fabric import blocks, connect
from veilmesh_network import running
from veilmesh_network.errors import AddressInUseError, BinariesError, BringUpError, NetworkError
from veilmesh_network.fabric.binaries import BIN_VARIABLE
from veilmesh_network.fabric.deployment import until_usable
from veilmesh_network.fabric.membership import members_of
from veilmesh_network.fabric.plan import Orderers
from veilmesh_network.fabric.processes import process_table, processes_file
from veilmesh_network.network import Network
from veilmesh_network.supervisor import LedgerProcess

from tests.fabric_network import FabricNetwork, found_consortium, free_first_port, running_network

Result = TypeVar("Result")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of one member, with a consortium in its ledger; down."""
    folder = tmp_path_factory.mktemp("life") / "network"
    with running_network(folder, members=1) as network:
        asyncio.run(found_consortium(network))
    return folder


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    """The same for each test, which may leave it up."""
    yield made
    running.down(made)


def _alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


async def _chain(network: FabricNetwork) -> list[bytes]:
    async with connect(network.network.gateways("Org1MSP")[0], network.tls_roots) as channel:
        stream = blocks(channel, network.identity("Org1MSP"), network.network.channel, stop="newest")
        return [block.SerializeToString(deterministic=True) async for block in stream]


def test_up_again_goes_on_with_the_same_ledger_and_down_leaves_nothing_running(folder: Path) -> None:
    running.up(folder)
    network = FabricNetwork(Network.load(folder))
    before = asyncio.run(_chain(network))
    pids = network.pids()
    assert len(before) >= 4  # the channel's first, approval, definition, founding
    assert len(_alive(pids)) == 4  # supervisor, orderer, peer, chaincode service
    assert running.down(folder)
    assert not _alive(pids)
    assert not running.down(folder)
    assert not processes_file(network.network).exists()
    running.up(folder)
    assert asyncio.run(_chain(network)) == before


def test_a_killed_supervisor_takes_all_with_it_and_up_goes_on(folder: Path) -> None:
    running.up(folder)
    network = FabricNetwork(Network.load(folder))
    height = len(asyncio.run(_chain(network)))
    supervisor, *others = network.pids()
    descriptors = [os.pidfd_open(pid) for pid in others]
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)  # `up` started it in this very process
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 10)[0], "a process outlived its supervisor"
        os.close(descriptor)
    running.up(folder)
    assert len(asyncio.run(_chain(network))) == height
    assert not _alive(others)


def test_a_child_that_ends_is_started_again(folder: Path) -> None:
    running.up(folder)
    network = FabricNetwork(Network.load(folder))
    name = "chaincode.org1.example.com"
    killed = network.pid(name)
    os.kill(killed, signal.SIGKILL)
    record = _wait_for(lambda: _restarted(network, name, killed))
    assert record["restarts"] == 1
    asyncio.run(_answering(network.network))


async def _answering(network: Network) -> None:
    async with members_of(network) as members:
        for member in members:
            await until_usable(member, network.channel, network.chaincode, "registry:GetConsortium")


def _restarted(network: FabricNetwork, name: str, before: int) -> dict[str, Any] | None:
    table = process_table(processes_file(network.network))
    assert table is not None
    (record,) = [each for each in table.processes if each.name == name]
    return asdict(record) if record.pid not in {None, before} else None


def _wait_for(found: Callable[[], Result | None], within_s: float = 30.0) -> Result:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        result = found()
        if result is not None:
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {within_s} s")


def test_down_in_the_middle_of_up(folder: Path) -> None:
    steps: list[str] = []
    failures: list[NetworkError] = []
    peers_run = threading.Event()

    def progress(step: str) -> None:
        steps.append(step)
        if "peer" in step:
            peers_run.set()

    def up() -> None:
        try:
            running.up(folder, progress=progress)
        except NetworkError as err:
            failures.append(err)

    bringing_up = threading.Thread(target=up)
    bringing_up.start()
    assert peers_run.wait(60)
    with pytest.raises(NetworkError, match="is being brought up or down by process"):
        running.up(folder)
    pids = FabricNetwork(Network.load(folder)).pids()
    assert running.down(folder)
    bringing_up.join()
    assert [type(failure) for failure in failures] == [BringUpError]
    assert "stopped before it was up" in str(failures[0])
    assert not _alive(pids)


def test_a_port_that_is_taken_is_named_with_its_purpose(folder: Path) -> None:
    settings = Network.load(folder).fabric
    assert settings is not None
    port = settings.ports.member(1).chaincode
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(AddressInUseError, match=f"port {port} .* the chaincode service of Org1MSP"):
            running.up(folder)
    assert LedgerProcess(folder).pid() is None


def test_the_data_of_another_network(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "network"
    shutil.copytree(folder, other)
    mine = Network.create(tmp_path / "fresh", members=1, orderers=Orderers.RAFT, port=free_first_port())
    (other / "channel.block").write_bytes(mine.channel_block.read_bytes())
    with pytest.raises(NetworkError, match="holds the ledger of another network"):
        running.up(other)
    assert LedgerProcess(other).pid() is None


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"orderers": Orderers.BFT}, "made with --orderers raft, not bft"),
        ({"members": 3}, "has 1 members, not 3"),
        ({"port": 7050}, "made with --port"),
    ],
)
def test_asked_for_another_network_than_the_folder_has(
    folder: Path, asked: dict[str, Any], answer: str
) -> None:
    with pytest.raises(NetworkError, match=answer):
        running.up(folder, **asked)


def test_a_step_that_fails_says_which_and_what_was_logged(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "network"
    shutil.copytree(folder, other)
    ledgers = other / "fabric" / "peer0.org1.example.com" / "data" / "ledgersData"
    shutil.rmtree(ledgers)
    ledgers.write_text("no folder")
    with pytest.raises(
        BringUpError,
        match=r"1 peer started: peer0.org1.example.com ended \(exit status 2\): .*not a directory",
    ) as failed:
        running.up(other)
    assert "goroutine" not in str(failed.value)
    assert LedgerProcess(other).pid() is None


def test_missing_binaries(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BIN_VARIABLE, str(tmp_path))
    with pytest.raises(
        BinariesError, match=r"there is no `peer` in .*, which VEILMESH_FABRIC_BIN names: take"
    ):
        running.up(folder)
    with pytest.raises(BinariesError):
        running.up(tmp_path / "new", fabric=True)
    assert not (tmp_path / "new").exists()


def test_the_command_line_tells_it_without_a_traceback(folder: Path, tmp_path: Path) -> None:
    def veilmesh(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("veilmesh")), "network", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
        )

    missing = veilmesh("up", "--fabric", "--dir", str(tmp_path / "new"), VEILMESH_FABRIC_BIN=str(tmp_path))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("error: there is no `peer`")
    up = veilmesh("up", "--dir", str(folder), "--json")
    status = veilmesh("status", "--dir", str(folder), "--json")
    document = json.loads(status.stdout)
    assert json.loads(up.stdout)["pid"] == document["pid"]
    assert (document["ledger"], document["ordering"], document["ready"]) == ("fabric", "raft", True)
    assert document["leader"] == "orderer1.example.com"
    assert [peer["height"] for peer in document["peers"]] == [document["height"]]
    assert {process["kind"] for process in document["processes"]} == {"orderer", "peer", "chaincode"}
    assert json.loads(veilmesh("down", "--dir", str(folder), "--json").stdout) == {"stopped": True}
    assert veilmesh("status", "--dir", str(folder)).returncode == 5
