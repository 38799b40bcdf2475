"""The news of committed blocks, for those who wait: for one transaction, or for whatever comes next."""

import asyncio
from collections import defaultdict

from veilmesh_network.embedded.store import BlockCommit, LedgerStore, TransactionRecord


class BlockFeed:
    """Belongs to the event loop. A block is published after it is on disk."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self._waiting: defaultdict[str, set[asyncio.Future[TransactionRecord]]] = defaultdict(set)
        self._grown = asyncio.Event()
        self.height = store.height

    def publish(self, commit: BlockCommit) -> None:
        self.height = commit.number + 1
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
        for record in commit.transactions:
            for future in self._waiting.get(record.tx_id, ()):
                if not future.done():
                    future.set_result(record)

    def known_transaction(self, tx_id: str) -> TransactionRecord | None:
        """Return how the transaction was committed, None while it is not."""
        return self._store.transaction(tx_id)

    async def transaction(self, tx_id: str) -> TransactionRecord:
        """Return how the transaction was committed, once it is."""
        record = self.known_transaction(tx_id)
        if record is not None:
            return record
        future: asyncio.Future[TransactionRecord] = asyncio.get_running_loop().create_future()
        self._waiting[tx_id].add(future)
        try:
            return await future
        finally:
            self._waiting[tx_id].discard(future)
            if not self._waiting[tx_id]:
                del self._waiting[tx_id]

    async def block(self, number: int) -> bytes:
        """Return the block of that number, once it exists."""
        while number >= self.height:
            await self._grown.wait()
        return self._store.block(number)
