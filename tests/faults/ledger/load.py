"""Many submitters at once, and a record of what the ledger has acknowledged to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from veilmesh_fabric import CommitStatus, FabricError, connect
from veilmesh_fabric.block import decode_block
from veilmesh_network.network import Network

from tests.integration.ledger.ledger import ONCE, Ledger, clients


@dataclass(slots=True)
class Record:
    """What the submitters know. Each transaction writes a key of its own, and its name as the value."""

    keys: dict[str, str] = field(default_factory=dict)  # by transaction id, of all that were sent
    acknowledged: dict[str, CommitStatus] = field(default_factory=dict)
    last_number: int = 0


@asynccontextmanager
async def connected(network: Network, port: int) -> AsyncIterator[Ledger]:
    address, tls_roots = f"127.0.0.1:{port}", network.tls_roots.read_bytes()
    async with connect(address, tls_roots) as connection:
        yield Ledger(address, tls_roots, network.channel_block.read_bytes(), clients(network), connection)


@asynccontextmanager
async def load(ledger: Ledger, record: Record, submitters: int) -> AsyncIterator[None]:
    """Keep `submitters` busy inside the context, until the ledger fails them."""
    tasks = [asyncio.create_task(_submit(ledger, record)) for _ in range(submitters)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    unexpected = [err for err in results if not isinstance(err, FabricError | asyncio.CancelledError)]
    assert not unexpected, unexpected


async def _submit(ledger: Ledger, record: Record) -> None:
    contract = ledger.contract(retry=ONCE)
    while True:
        record.last_number += 1
        key = f"key{record.last_number}"
        endorsed = await contract.endorse("put", key, key)
        record.keys[endorsed.tx_id] = key
        await endorsed.submit()
        status = await endorsed.commit_status()
        assert status.valid
        record.acknowledged[status.tx_id] = status


async def require_acknowledged(ledger: Ledger, record: Record) -> None:
    """Check that what was acknowledged is there and the rest wholly or not at all, and verify the chain."""
    report = await ledger.verify()
    contract = ledger.contract()
    for status in record.acknowledged.values():
        assert await contract.commit_status(status.tx_id) == status
    committed = await _committed(ledger)
    assert set(record.acknowledged) <= committed
    for tx_id, key in record.keys.items():
        assert await contract.evaluate("get", key) == (key.encode() if tx_id in committed else b"")
    assert report.transactions["ENDORSER_TRANSACTION", "VALID"] == len(committed)


async def _committed(ledger: Ledger) -> set[str]:
    """Return the ids of the transactions on the chain."""
    return {
        transaction.tx_id
        for block in (await ledger.chain())[1:]
        for transaction in decode_block(block).transactions
    }
