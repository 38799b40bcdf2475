"""Chaincode events, as the gateway streams them.

The gateway sends, block by block, the events of VALID transactions. An event is not lost by a broken
stream: ask again from where you were (`checkpoint.py`).
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Self

import grpc.aio
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.orderer import ab_pb2

from veilmesh_fabric.errors import DeliverError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.rpc_errors import deliver_error


@dataclass(frozen=True, slots=True)
class ChaincodeEvent:
    """What a VALID transaction has announced; Fabric allows one event a transaction."""

    block_number: int
    tx_id: str
    chaincode_name: str
    name: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """The request for a stream, in the bytes that are to be signed."""

    request_bytes: bytes

    @classmethod
    def build(
        cls,
        creator: bytes,
        channel_name: str,
        chaincode_name: str,
        *,
        start_block: int | None = None,
        after_tx_id: str = "",
    ) -> Self:
        """Return a request.

        Args:
            creator: `SigningIdentity.creator` of who asks.
            channel_name: the channel.
            chaincode_name: the chaincode.
            start_block: the first block to look at; the next one to be committed when None.
            after_tx_id: in the first block, skip all up to and including this transaction.
        """
        message = gateway_pb2.ChaincodeEventsRequest(
            channel_id=channel_name,
            chaincode_id=chaincode_name,
            identity=creator,
            start_position=_seek_position(start_block),
            after_transaction_id=after_tx_id,
        )
        return cls(message.SerializeToString())

    def sign(self, identity: SigningIdentity) -> "SignedEventsRequest":
        return SignedEventsRequest(self.request_bytes, identity.sign(self.request_bytes))


@dataclass(frozen=True, slots=True)
class SignedEventsRequest:
    """The request as it travels."""

    request_bytes: bytes
    signature: bytes

    def to_proto(self) -> Any:
        return gateway_pb2.SignedChaincodeEventsRequest(request=self.request_bytes, signature=self.signature)


async def chaincode_events(
    channel: grpc.aio.Channel, request: SignedEventsRequest
) -> AsyncGenerator[ChaincodeEvent, None]:
    """Yield events until the caller closes the generator.

    Raises:
        DeliverError: the stream was refused, or it ended: it has no end of its own.
    """
    call = gateway_pb2_grpc.GatewayStub(channel).ChaincodeEvents(request.to_proto())
    try:
        async for answer in call:
            for event in answer.events:
                yield ChaincodeEvent(
                    answer.block_number, event.tx_id, event.chaincode_id, event.event_name, event.payload
                )
    except grpc.aio.AioRpcError as err:
        raise deliver_error("chaincode events", err) from err
    finally:
        call.cancel()
    raise DeliverError("chaincode events: the gateway closed the stream", status="UNAVAILABLE")


def _seek_position(start_block: int | None) -> Any:
    if start_block is None:
        return ab_pb2.SeekPosition(next_commit=ab_pb2.SeekNextCommit())
    return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=start_block))
