"""Blocks of a live ledger, as a plain iterator.

Verification is ordinary code that runs flat out; blocks arrive over an asynchronous stream. A thread pumps
them through a bounded queue, so that neither waits for the other's whole work, and memory stays bounded.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager

from veilmesh_fabric import SigningIdentity, blocks, connect
from veilmesh_fabric.block import decode_block
from veilmesh_fabric.deliver import BlockPosition

from veilmesh_node.cli.client_home import ClientHome

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
        async for block in _stream(self._home, start=self._start):
            if not await asyncio.to_thread(self._put, block):
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

    async def newest() -> int:
        async for block in _stream(home, start="newest"):
            return decode_block(block).number + 1
        return 0

    return asyncio.run(newest())


def _items(pump: _Pump) -> Iterator[bytes]:
    while (item := pump.queue.get()) is not None:
        if isinstance(item, Exception):
            raise item
        yield item


async def _stream(home: ClientHome, *, start: BlockPosition) -> AsyncIterator[bytes]:
    identity = SigningIdentity.from_msp_folder(home.msp, home.msp_id)
    async with connect(home.gateway, home.gateway_tls_roots.read_bytes()) as channel:
        stream = blocks(channel, identity, home.channel, start=start, stop="newest")
        async with aclosing(stream):
            async for block in stream:
                yield block.SerializeToString()
