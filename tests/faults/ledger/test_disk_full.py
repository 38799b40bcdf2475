"""No room left: the ledger says so, acknowledges nothing that is not on disk, and goes on when there is."""

import asyncio

from veilmesh_network.network import Network

from tests.faults.ledger.ledger_processes import LedgerProcesses
from tests.faults.ledger.load import Record, connected, load, require_acknowledged

_ROOM_BYTES = 2 * 1024 * 1024  # for each file: SQLite's journal reaches it first


async def test_the_disk_fills_up_under_load(processes: LedgerProcesses, network: Network) -> None:
    record = Record()
    pid, port = await processes.start(_ROOM_BYTES)
    async with connected(network, port) as ledger, load(ledger, record, 8):
        status = await asyncio.wait_for(processes.ended(pid), 30)
    assert status == 1
    assert record.acknowledged
    last = (network.folder / "ledger.log").read_text().splitlines()[-1]
    assert "the ledger ends: block" in last
    assert "cannot be written" in last

    pid, port = await processes.start()
    async with connected(network, port) as ledger:
        await require_acknowledged(ledger, record)
        await ledger.contract().submit("put", "room again", "1")
    await processes.stop(pid)
