"""Chaincode events and blocks against a peer that answers by script."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import grpc
import grpc.aio
import pytest
from veilmesh_fabric import ChaincodeEvent, Checkpoint, Contract, DeliverError, SigningIdentity, blocks

from tests.integration.fabric_gateway.scripted_peer import Hold, Refusal, ScriptedPeer
from tests.unit.fabric.identities import identity


async def test_events_come_with_block_transaction_name_and_payload(contract: Contract) -> None:
    async with aclosing(contract.chaincode_events(start_block=7)) as events:
        assert await anext(events) == ChaincodeEvent(7, "tx-1", "mesh", "enrolled", b"tx-1")
        assert (await anext(events)).tx_id == "tx-2"


async def test_events_start_with_the_next_block_unless_told_otherwise(
    contract: Contract, peer: ScriptedPeer
) -> None:
    for start_block in (None, 5):
        async with aclosing(contract.chaincode_events(start_block=start_block)) as events:
            await anext(events)
    latest, specified = peer.requests["ChaincodeEvents"]
    assert latest.start_position.HasField("next_commit")
    assert specified.start_position.specified.number == 5


async def test_a_checkpoint_says_where_to_go_on(
    contract: Contract, peer: ScriptedPeer, tmp_path: Path
) -> None:
    checkpoint = Checkpoint.open(tmp_path / "events.json")
    async with aclosing(contract.chaincode_events(start_block=0, checkpoint=checkpoint)) as events:
        checkpoint.record_event(await anext(events))
    async with aclosing(contract.chaincode_events(start_block=0, checkpoint=checkpoint)) as events:
        await anext(events)
    checkpoint.record_block(7)
    async with aclosing(contract.chaincode_events(start_block=0, checkpoint=checkpoint)) as events:
        await anext(events)
    asked = [
        (request.start_position.specified.number, request.after_transaction_id)
        for request in peer.requests["ChaincodeEvents"]
    ]
    assert asked == [(0, ""), (7, "tx-1"), (8, "")]


async def test_a_stream_that_is_closed_early_is_closed_at_the_gateway_too(
    contract: Contract, peer: ScriptedPeer
) -> None:
    peer.script = {"ChaincodeEvents": [Hold()]}
    async with aclosing(contract.chaincode_events()) as events:
        await anext(events)
        assert peer.open_streams == 1
    async with asyncio.timeout(5):
        while peer.open_streams:  # noqa: ASYNC110 - the peer's side ends on its own time
            await asyncio.sleep(0.01)


async def test_a_refused_or_broken_event_stream_is_a_deliver_error(
    contract: Contract, peer: ScriptedPeer
) -> None:
    peer.script = {
        "ChaincodeEvents": [
            Refusal(grpc.StatusCode.PERMISSION_DENIED, "no", (("peer0:7051", "Org1MSP", "not a reader"),)),
            Refusal(grpc.StatusCode.UNAVAILABLE, "going down", after=True),
        ]
    }
    with pytest.raises(DeliverError, match="chaincode events: no") as caught:
        await anext(contract.chaincode_events())
    assert caught.value.status == "PERMISSION_DENIED"
    assert caught.value.details[0].message == "not a reader"

    received = []
    with pytest.raises(DeliverError) as caught:  # noqa: PT012 - what came before the break counts
        async for event in contract.chaincode_events():
            received.append(event.tx_id)  # noqa: PERF401 - a comprehension would lose it
    assert (received, caught.value.status) == (["tx-1", "tx-2"], "UNAVAILABLE")


async def test_an_event_stream_that_just_ends_is_not_taken_for_the_end_of_events(contract: Contract) -> None:
    with pytest.raises(DeliverError, match="closed the stream"):
        [event async for event in contract.chaincode_events()]


async def numbers(channel: grpc.aio.Channel, reader: SigningIdentity, **bounds: object) -> list[int]:
    stream = blocks(channel, reader, "veil", **bounds)  # type: ignore[arg-type]  # keyword arguments from a table
    return [block.header.number async for block in stream]


async def test_blocks_come_in_order_between_the_bounds(
    channel: grpc.aio.Channel, alice: SigningIdentity
) -> None:
    assert await numbers(channel, alice, stop="newest") == [0, 1, 2]
    assert await numbers(channel, alice, start=1, stop=2) == [1, 2]
    assert await numbers(channel, alice, start="newest", stop="newest") == [2]


async def test_a_block_that_does_not_stand_yet_is_not_found_unless_one_waits(
    channel: grpc.aio.Channel, alice: SigningIdentity
) -> None:
    with pytest.raises(DeliverError, match="NOT_FOUND") as caught:
        await numbers(channel, alice, start=1, stop=9, wait=False)
    assert caught.value.status == "NOT_FOUND"
    with pytest.raises(DeliverError, match="the peer closed the stream"):
        await numbers(channel, alice, start=1, stop=9)


async def test_a_channel_that_is_not_there_is_not_found(
    channel: grpc.aio.Channel, alice: SigningIdentity
) -> None:
    with pytest.raises(DeliverError, match="blocks of nowhere: the peer answered NOT_FOUND"):
        await anext(blocks(channel, alice, "nowhere"))


async def test_a_broken_block_stream_is_a_deliver_error(
    channel: grpc.aio.Channel, alice: SigningIdentity, peer: ScriptedPeer
) -> None:
    peer.script = {"Deliver": [Refusal(grpc.StatusCode.UNAVAILABLE, "going down", after=True)]}
    received = []
    with pytest.raises(DeliverError) as caught:  # noqa: PT012 - what came before the break counts
        async for block in blocks(channel, alice, "veil"):
            received.append(block.header.number)  # noqa: PERF401 - a comprehension would lose it
    assert (received, caught.value.status) == ([0, 1, 2], "UNAVAILABLE")


async def test_a_wrong_signature_does_not_pass_the_peer(
    channel: grpc.aio.Channel, alice: SigningIdentity
) -> None:
    """The peer of these tests does check: it is no use otherwise."""

    class Forger:
        public_key = alice.signer.public_key

        def sign(self, _: bytes) -> bytes:
            return identity().sign(b"something else")

    forged = SigningIdentity("Org1MSP", alice.certificate_pem, Forger())
    with pytest.raises(DeliverError) as caught:
        await numbers(channel, forged, stop="newest")
    assert caught.value.status == "UNKNOWN"
