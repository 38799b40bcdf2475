"""The ledger killed over and over under load: what it has acknowledged is there afterwards."""

import asyncio
import random

from veilmesh_network.network import Network

from tests.faults.ledger.ledger_processes import LedgerProcesses
from tests.faults.ledger.load import Record, connected, load, require_acknowledged

_KILLS = 50
_KILLS_WHILE_STARTING = 10
_SUBMITTERS = 16
_LONGEST_LIFE_S = 0.4
_SOMETHING_WITHIN_S = 60.0  # on a machine that does much else


async def test_killed_under_load(processes: LedgerProcesses, network: Network) -> None:
    chance = random.Random(20261121)  # noqa: S311 - moments to kill at, the same in every run
    record = Record()
    for _ in range(_KILLS_WHILE_STARTING):
        pid = await processes.begin()
        await asyncio.sleep(chance.uniform(0.0, 0.1))
        await processes.kill(pid)
    kills_after_acknowledgements = 0
    for number in range(_KILLS):
        before = len(record.acknowledged)
        pid, port = await processes.start()
        async with connected(network, port) as ledger, load(ledger, record, _SUBMITTERS):
            if number % 2:  # else it may die before it has answered anything
                await _acknowledged_more(record, before)
            await asyncio.sleep(chance.uniform(0.05, _LONGEST_LIFE_S))
            await processes.kill(pid)
        kills_after_acknowledgements += len(record.acknowledged) > before
    assert kills_after_acknowledgements >= _KILLS // 2, "the kills came before there was anything to lose"

    pid, port = await processes.start()
    async with connected(network, port) as ledger:
        await require_acknowledged(ledger, record)
    await processes.stop(pid)


async def _acknowledged_more(record: Record, before: int) -> None:
    async with asyncio.timeout(_SOMETHING_WITHIN_S):
        while len(record.acknowledged) == before:  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.005)
