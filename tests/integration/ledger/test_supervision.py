"""`up`, `down` and `status`: the ledger process as an operator meets it, with the real chaincode."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from veilmesh_chaincode.records.refusals import Refusal
from veilmesh_fabric import EvaluateError, connect
from veilmesh_network import supervisor
from veilmesh_network.errors import AddressInUseError, NetworkError, StorageError
from veilmesh_network.network import BANNER
from veilmesh_network.running import NetworkStatus, down, status, up
from veilmesh_network.supervisor import LedgerProcess

from tests.integration.ledger.ledger import Ledger, clients


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a test's network is; at its end nothing of it runs."""
    folder = tmp_path / "network"
    yield folder
    LedgerProcess(folder).stop()


async def _chain(running: NetworkStatus) -> list[bytes]:
    network = running.network
    async with connect(network.address, network.tls_roots.read_bytes()) as connection:
        ledger = Ledger(
            network.address,
            network.tls_roots.read_bytes(),
            network.channel_block.read_bytes(),
            clients(network),
            connection,
        )
        with pytest.raises(EvaluateError) as refused:
            await ledger.contract(chaincode=network.chaincode).evaluate("no:Function")
        assert Refusal.from_message(refused.value.message) is not None
        await ledger.verify()
        return await ledger.chain()


async def test_up_down_and_up_again(folder: Path) -> None:
    said: list[str] = []
    first = up(folder, members=2, port=0, progress=said.append)
    assert first.running
    assert BANNER in said
    assert status(folder) == first
    assert up(folder) == first, "it is up already"
    chain = await _chain(first)

    assert down(folder)
    assert not _alive(first)
    assert not status(folder).running
    assert not down(folder), "it is down already"

    again = up(folder)
    assert again.network.address == first.network.address
    assert await _chain(again) == chain


async def test_killed_and_brought_up_again(folder: Path) -> None:
    first = up(folder, members=1, port=0)
    chain = await _chain(first)
    _kill(first)
    assert not status(folder).running, "a lock outlived its process"
    assert await _chain(up(folder)) == chain


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUseError, match=f"127.0.0.1:{port}"):
            up(folder, members=1, port=port)
    assert not status(folder).running


def test_an_interrupted_start_leaves_no_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spawned: list[int] = []
    spawn = os.posix_spawn

    def noted(*arguments: Any, **options: Any) -> int:
        spawned.append(spawn(*arguments, **options))
        return spawned[-1]

    def interrupted(*_: object) -> Iterator[dict[str, Any]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "posix_spawn", noted)
    monkeypatch.setattr(supervisor, "_reports", interrupted)
    with pytest.raises(KeyboardInterrupt):
        up(folder, members=1, port=0)
    (pid,) = spawned
    assert not Path(f"/proc/{pid}").exists()


def test_a_ledger_of_another_channel(folder: Path, tmp_path: Path) -> None:
    up(folder, members=1, port=0)
    down(folder)
    other = tmp_path / "other"
    up(other, members=1, port=0)
    down(other)
    (folder / "ledger.db").replace(other / "ledger.db")
    with pytest.raises(StorageError, match="another channel"):
        up(other)


def test_a_ledger_file_that_is_none(folder: Path) -> None:
    up(folder, members=1, port=0)
    down(folder)
    (folder / "ledger.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StorageError, match="cannot be opened"):
        up(folder)
    assert not status(folder).running


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    with pytest.raises(NetworkError, match="is not empty and holds no network"):
        up(tmp_path)
    with pytest.raises(NetworkError, match="holds no network"):
        status(tmp_path)
    with pytest.raises(NetworkError, match="holds no network"):
        down(tmp_path)


def test_keys_are_their_owners_alone(folder: Path) -> None:
    up(folder, members=1, port=0)
    keys = [path for path in folder.rglob("*") if path.name in {"key.pem", "server.key"}]
    assert len(keys) == 3 * 2 + 7 + 2  # two authorities an organisation, seven identities, two with TLS
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def _kill(running: NetworkStatus) -> None:
    assert running.pid is not None
    os.kill(running.pid, signal.SIGKILL)
    os.waitpid(running.pid, 0)


def _alive(of: NetworkStatus) -> bool:
    assert of.pid is not None
    try:
        os.kill(of.pid, 0)
    except ProcessLookupError:
        return False
    return True
