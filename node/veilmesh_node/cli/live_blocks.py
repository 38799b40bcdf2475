"""Blocks of a live ledger, as a plain iterator.

Verification is ordinary code that runs flat out; blocks arrive over an asynchronous stream. A thread pumps
them through a bounded queue, so that neither waits for the other's whole work, and memory stays bounded.
"""

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

from veilmesh_node.cli.client_home import ClientHome
from veilmesh_node.cli.ledger import gateway

_BLOCKS_AHEAD = 64
_PATIENCE_S = 0.2  # how soon the pump notices that nobody reads any more


class _Pump(threading.Thread):
    """Copies blocks up to the newest into a queue; ends it with None, or with what went wrong."""

    def __init__(self, home: ClientHome, start: int) -> None:
        super().__init__(daemon=True, name="block-pump")
        self._home = home
        self._start = start
        self.queue: queue.Queue[bytes | Exception | None] = queue.Queue(_BLOCKS_AHEAD)
        self.abandoned = threading.Event()

    def run(self) -> None:
        try:
            asyncio.run(self._copy())
            self._put(None)
        except Exception as err:  # noqa: BLE001 - handed to the reader, who raises it
            self._put(err)

    async def _copy(self) -> None:
        async with gateway(self._home) as opened:
            newest = await opened.height(self._home.channel) - 1
            if newest < self._start:
                return
            async with aclosing(opened.blocks(self._home.channel, start=self._start, stop=newest)) as stream:
                async for block in stream:
                    if not await asyncio.to_thread(self._put, block.SerializeToString()):
                        return

    def _put(self, item: bytes | Exception | None) -> bool:
        while not self.abandoned.is_set():
            try:
                self.queue.put(item, timeout=_PATIENCE_S)
            except queue.Full:
                continue
            return True
        return False


@contextmanager
def live_blocks(home: ClientHome, *, start: int = 0) -> Iterator[Iterator[bytes]]:
    """Open the ledger's blocks, from `start` to the one that is the newest now, serialized.

    Raises:
        DeliverError: while iterating; the ledger refused, or is out of reach.
    """
    pump = _Pump(home, start)
    pump.start()
    try:
        yield _items(pump)
    finally:
        pump.abandoned.set()
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


def _items(pump: _Pump) -> Iterator[bytes]:
    while (item := pump.queue.get()) is not None:
        if isinstance(item, Exception):
            raise item
        yield item
