"""One transaction's exchange with its peer: one request at a time, as the peer drops a second."""

import asyncio
from collections.abc import Callable
from typing import Any

from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage

from veilmesh_chaincode.shim.errors import OversizedError, PeerRefusedError, StreamEndedError

# What peers send and take at most: Fabric `internal/pkg/comm/config.go`.
MAX_MESSAGE_BYTES = 100 * 1024 * 1024

Send = Callable[[Any], None]  # takes a ChaincodeMessage on its way out; never waits


def require_sendable(size: int, what: str) -> None:
    """Raise OversizedError where a message of `size` bytes is more than a peer takes."""
    if size > MAX_MESSAGE_BYTES:
        raise OversizedError(f"{what} of {size} bytes is more than the {MAX_MESSAGE_BYTES} that a peer takes")


class Exchange:
    """Asks the peer on behalf of one transaction. A contract may ask from several tasks: they queue up."""

    def __init__(self, channel: str, tx_id: str, send: Send) -> None:
        self._channel = channel
        self._tx_id = tx_id
        self._send = send
        self._turn = asyncio.Lock()
        self._answer: asyncio.Future[bytes] | None = None
        self._ended = False

    async def ask(self, kind: int, payload: bytes) -> bytes:
        """Send a request of `kind`, a `ChaincodeMessage.Type`, and return the payload of its answer.

        Raises:
            PeerRefusedError: the answer was ERROR.
            OversizedError: the request is larger than a peer takes; nothing was sent.
            StreamEndedError: the transaction has been answered, or its stream is over.
        """
        message = ChaincodeMessage(type=kind, payload=payload, txid=self._tx_id, channel_id=self._channel)
        require_sendable(message.ByteSize(), "a request")
        async with self._turn:
            if self._ended:
                raise StreamEndedError("the transaction is over: its peer answers no more requests")
            self._answer = asyncio.get_running_loop().create_future()
            self._send(message)
            try:
                return await self._answer
            finally:
                self._answer = None

    def take(self, message: Any) -> bool:
        """Hand over a RESPONSE or ERROR; return whether it was waited for."""
        if self._answer is None or self._answer.done():
            return False
        if message.type == ChaincodeMessage.RESPONSE:
            self._answer.set_result(message.payload)
        else:
            self._answer.set_exception(PeerRefusedError(message.payload.decode(errors="replace")))
        return True

    def end(self) -> None:
        """Answer no more requests: the transaction has been answered itself."""
        self._ended = True
