"""One peer's stream: many transactions at once, one writer.

The peer opens the stream, we register on it with the package id, and from then on it sends transactions. Each
runs as a task of its own; the answers to what it asks find it by channel and transaction id. Whatever leaves
goes through one queue and one task, as gRPC takes one write at a time.

When the stream breaks, its transactions are cancelled: their peer has told the clients so already. When the
service is to end, `drain` lets them finish; what the peer still sends is answered with an error on which a
gateway turns to another peer.
"""

import asyncio
import logging
from typing import Any, Protocol

from fabric_protos.peer.chaincode_pb2 import ChaincodeID
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage

from veilmesh_chaincode.runtime import Chaincode
from veilmesh_chaincode.shim.capabilities import Capabilities
from veilmesh_chaincode.shim.exchange import Exchange
from veilmesh_chaincode.shim.metrics import Metrics
from veilmesh_chaincode.shim.transaction import run_transaction

_log = logging.getLogger(__name__)


class Wire(Protocol):
    """The stream itself: gRPC's, or a test's."""

    async def read(self) -> Any | None:
        """Return the next ChaincodeMessage; None at the stream's end."""
        ...

    async def write(self, message: Any) -> None: ...


class PeerStream:
    def __init__(self, wire: Wire, package_id: str, chaincode: Chaincode, metrics: Metrics) -> None:
        self._wire = wire
        self._package_id = package_id
        self._chaincode = chaincode
        self._metrics = metrics
        self._capabilities = Capabilities()
        self._out: asyncio.Queue[Any | None] = asyncio.Queue()  # None: nothing more will come
        self._running: dict[tuple[str, str], tuple[Exchange, asyncio.Task[None]]] = {}
        self._draining = False

    async def serve(self) -> None:
        """Serve until the stream ends, or until `drain` has done its work.

        Raises:
            Exception: what the wire raised where the stream broke.
        """
        register = ChaincodeID(name=self._package_id).SerializeToString()
        self._out.put_nowait(ChaincodeMessage(type=ChaincodeMessage.REGISTER, payload=register))
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            done, _ = await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            tasks = [reader, writer, *(task for _, task in self._running.values())]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def drain(self) -> None:
        """Take no more transactions; end the stream once those at work are answered."""
        self._draining = True
        if not self._running:
            self._out.put_nowait(None)

    async def _write(self) -> None:
        while (message := await self._out.get()) is not None:
            await self._wire.write(message)

    async def _read(self) -> None:
        while (message := await self._wire.read()) is not None:
            match message.type:
                case ChaincodeMessage.RESPONSE | ChaincodeMessage.ERROR:
                    self._answered(message)
                case ChaincodeMessage.TRANSACTION:
                    self._begin(message)
                case ChaincodeMessage.READY:
                    self._capabilities = Capabilities.from_ready(message.payload)
                    _log.info("the peer is ready: %s", self._capabilities)
                case ChaincodeMessage.KEEPALIVE:
                    self._out.put_nowait(message)
                case ChaincodeMessage.INIT:
                    self._decline(message, "there is nothing to initialise: define the chaincode without it")
                case ChaincodeMessage.REGISTERED:
                    _log.info("registered as %s", self._package_id)
                case _:
                    _log.warning("the peer sent a message of unknown type %d", message.type)

    def _answered(self, message: Any) -> None:
        running = self._running.get((message.channel_id, message.txid))
        if running is None or not running[0].take(message):
            _log.warning("transaction %s: the peer answered what nobody asked", message.txid)

    def _begin(self, message: Any) -> None:
        key = message.channel_id, message.txid
        if self._draining:
            self._decline(message, "the chaincode service is stopping")
        elif key in self._running:
            # The peer has given the first one up; its answers could not be told from the second's.
            self._decline(message, "the transaction is still running")
        else:
            exchange = Exchange(*key, self._out.put_nowait)
            task = asyncio.create_task(self._run(message, exchange))
            self._running[key] = exchange, task
            task.add_done_callback(lambda _: self._finished(key))

    async def _run(self, message: Any, exchange: Exchange) -> None:
        with self._metrics.transaction() as outcome:
            response, completed = await run_transaction(
                self._chaincode, message, exchange, self._capabilities
            )
            exchange.end()
            outcome.status = response.status
            self._out.put_nowait(completed)

    def _finished(self, key: tuple[str, str]) -> None:
        del self._running[key]
        if self._draining and not self._running:
            self._out.put_nowait(None)

    def _decline(self, message: Any, reason: str) -> None:
        self._out.put_nowait(
            ChaincodeMessage(
                type=ChaincodeMessage.ERROR,
                payload=reason.encode(),
                txid=message.txid,
                channel_id=message.channel_id,
            )
        )
