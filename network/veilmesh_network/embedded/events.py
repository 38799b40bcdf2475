"""Chaincode events out of committed blocks: those of valid transactions, in their order, block by block.

Source: Fabric `internal/pkg/gateway/chaincodeevents.go`.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import chaincode_event_pb2, transaction_pb2
from veilmesh_fabric.block import Block, decode_block
from veilmesh_fabric.committed_transaction import ChaincodeEvent

from veilmesh_network.embedded.feed import BlockFeed


async def chaincode_events(feed: BlockFeed, request: Any) -> AsyncIterator[Any]:
    """Yield a `ChaincodeEventsResponse` for every block with events of the chaincode, without end.

    Args:
        feed: the blocks.
        request: a `ChaincodeEventsRequest`: from which block, and after which of its transactions.
    """
    number = _first_block(feed, request)
    skip_until = request.after_transaction_id
    while True:
        found = events_of(decode_block(await feed.block(number)), request.chaincode_id)
        if skip_until:
            found, skip_until = _after(found, skip_until)
        if found:
            yield gateway_pb2.ChaincodeEventsResponse(
                block_number=number, events=[_message(event) for event in found]
            )
        number += 1


def events_of(block: Block, chaincode: str) -> list[ChaincodeEvent]:
    pairs = zip(block.transactions, block.metadata.validation_codes, strict=True)
    actions = [tx.action for tx, code in pairs if code == transaction_pb2.VALID and tx.action is not None]
    return [
        action.event for action in actions if action.event is not None and action.event.chaincode == chaincode
    ]


def _first_block(feed: BlockFeed, request: Any) -> int:
    known = feed.known_transaction(request.after_transaction_id) if request.after_transaction_id else None
    if known is not None:
        return known.block
    if request.start_position.WhichOneof("Type") == "specified":
        return int(request.start_position.specified.number)
    return feed.height


def _after(found: Sequence[ChaincodeEvent], tx_id: str) -> tuple[list[ChaincodeEvent], str]:
    """Return the events after that transaction's, and the id again while it has not been met."""
    positions = [index for index, event in enumerate(found) if event.tx_id == tx_id]
    return (list(found[positions[0] + 1 :]), "") if positions else ([], tx_id)


def _message(event: ChaincodeEvent) -> Any:
    return chaincode_event_pb2.ChaincodeEvent(
        chaincode_id=event.chaincode, tx_id=event.tx_id, event_name=event.name, payload=event.payload
    )
