"""Blocks of a live ledger, as a plain iterator.

Whoever reads them is ordinary code; blocks arrive over an asynchronous stream. A thread pumps them through a
bounded queue, so that neither waits for the other's whole work, and memory stays bounded.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

from veilmesh_node.cli.block_queue import BlockQueue
from veilmesh_node.cli.client_home import ClientHome
from veilmesh_node.cli.ledger import gateway


class _Pump(threading.Thread):
    """Copies blocks up to the newest into a queue."""

    def __init__(self, home: ClientHome, start: int) -> None:
        super().__init__(daemon=True, name="block-pump")
        self._home = home
        self._start = start
        self.queue = BlockQueue()

    def run(self) -> None:
        try:
            asyncio.run(self._copy())
            self.queue.end()
        except Exception as err:  # noqa: BLE001 - handed to the reader, who raises it
            self.queue.end(err)

    async def _copy(self) -> None:
        async with gateway(self._home) as opened:
            newest = await opened.height(self._home.channel) - 1
            if newest < self._start:
                return
            async with aclosing(opened.blocks(self._home.channel, start=self._start, stop=newest)) as stream:
                async for block in stream:
                    if not await asyncio.to_thread(self.queue.put, block.SerializeToString()):
                        return


@contextmanager
def live_blocks(home: ClientHome, *, start: int = 0) -> Iterator[Iterator[bytes]]:
    """Open the ledger's blocks, from `start` to the one that is the newest now, serialized.

    Raises:
        DeliverError: while iterating; the ledger refused, or is out of reach.
    """
    pump = _Pump(home, start)
    pump.start()
    try:
        yield iter(pump.queue.get, None)
    finally:
        pump.queue.abandon()
        pump.join()


def height(home: ClientHome) -> int:
    """Return how many blocks the ledger has.

    Raises:
        DeliverError: it refused, or is out of reach.
    """

    async def ask() -> int:
        async with gateway(home) as opened:
            return await opened.height(home.channel)

    return asyncio.run(ask())
