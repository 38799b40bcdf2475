"""Blocks and events, from anywhere, more than once."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from veilmesh_fabric import ChaincodeEvent, Checkpoint, Contract, DeliverError, blocks
from veilmesh_fabric.block import decode_block

from tests.integration.ledger.ledger import CHANNEL, Ledger


async def test_blocks_from_any_start(ledger: Ledger, fresh: str) -> None:
    first = await ledger.height()
    for number in range(3):
        await ledger.contract().submit("put", fresh, str(number))
    assert [decode_block(block).header.number for block in await ledger.chain()] == list(range(first + 3))
    for start in sorted({0, 1, first // 2, *range(first - 1, first + 3)}):  # a shared network's chain is long
        stream = blocks(ledger.connection, ledger.identities["audit"], CHANNEL, start=start, stop=first + 2)
        numbers = [block.header.number async for block in stream]
        assert numbers == list(range(start, first + 3))


async def test_the_newest_block_alone(ledger: Ledger, fresh: str) -> None:
    submitted = await ledger.contract().submit("put", fresh, "1")
    stream = blocks(ledger.connection, ledger.identities["org2"], CHANNEL, start="newest", stop="newest")
    assert [block.header.number async for block in stream] == [submitted.block_number]


async def test_a_block_that_does_not_stand_yet(ledger: Ledger, fresh: str) -> None:
    height = await ledger.height()
    at_once = blocks(ledger.connection, ledger.identities["audit"], CHANNEL, start=height, wait=False)
    with pytest.raises(DeliverError) as refused:
        async for _ in at_once:
            pass
    assert refused.value.status == "NOT_FOUND"

    waiting = blocks(ledger.connection, ledger.identities["audit"], CHANNEL, start=height, stop=height)
    block = asyncio.ensure_future(anext(waiting))
    await ledger.contract().submit("put", fresh, "1")
    assert (await block).header.number == height
    await waiting.aclose()


async def test_an_end_before_the_start(ledger: Ledger) -> None:
    with pytest.raises(DeliverError) as refused:
        async for _ in blocks(ledger.connection, ledger.identities["audit"], CHANNEL, start=1, stop=0):
            pass
    assert refused.value.status == "BAD_REQUEST"


async def test_a_channel_that_does_not_exist(ledger: Ledger) -> None:
    with pytest.raises(DeliverError) as refused:
        async for _ in blocks(ledger.connection, ledger.identities["audit"], "elsewhere", stop="newest"):
            pass
    assert refused.value.status == "NOT_FOUND"


async def test_events_of_valid_transactions_in_their_order(ledger: Ledger, fresh: str) -> None:
    contract = ledger.contract()
    height = await ledger.height()
    submitted = [await contract.submit("put", f"{fresh}{number}", "1") for number in range(3)]
    lost = await contract.endorse("put", f"{fresh}lost", "1", endorsing_organizations=["Org1MSP"])
    await lost.submit()
    await lost.commit_status()
    submitted.append(await contract.submit("put", f"{fresh}3", "1"))
    events = await _first(contract, 4, start_block=height)
    assert [(event.tx_id, event.block_number) for event in events] == [
        (transaction.tx_id, transaction.block_number) for transaction in submitted
    ]
    assert [(event.chaincode_name, event.name, event.payload) for event in events] == [
        ("kv", "put", f"{fresh}{number}".encode()) for number in range(4)
    ]


async def test_events_of_one_chaincode_are_not_anothers(ledger: Ledger, fresh: str) -> None:
    height = await ledger.height()
    other = ledger.contract(chaincode="split")
    await other.submit("put", fresh, "1", endorsing_organizations=["Org1MSP", "Org2MSP"])
    await ledger.contract().submit("put", fresh, "1")
    (mine,), (others,) = [await _first(each, 1, start_block=height) for each in (ledger.contract(), other)]
    assert (mine.chaincode_name, others.chaincode_name) == ("kv", "split")


async def test_events_from_now_on(ledger: Ledger, fresh: str) -> None:
    """Without a start the first event is one of a transaction that comes later."""
    contract = ledger.contract()
    await contract.submit("put", f"{fresh}before", "1")
    async with aclosing(contract.chaincode_events()) as stream:
        event = asyncio.ensure_future(anext(stream))
        number = 0
        while not event.done():  # when the stream has begun, nobody says
            number += 1
            await contract.submit("put", f"{fresh}{number}", "1")
        assert (await event).payload.decode() in {f"{fresh}{each}" for each in range(1, number + 1)}


async def test_a_reader_goes_on_behind_its_checkpoint(ledger: Ledger, fresh: str, tmp_path: Path) -> None:
    contract = ledger.contract()
    height = await ledger.height()
    await asyncio.gather(*(contract.submit("put", f"{fresh}{number}", "1") for number in range(20)))
    everything = await _first(contract, 20, start_block=height)
    seen: list[ChaincodeEvent] = []
    while len(seen) < len(everything):
        checkpoint = Checkpoint.open(tmp_path / "checkpoint")
        async with aclosing(contract.chaincode_events(start_block=height, checkpoint=checkpoint)) as stream:
            for _ in range(min(7, len(everything) - len(seen))):
                event = await anext(stream)
                checkpoint.record_event(event)
                seen.append(event)
    assert seen == everything


async def test_a_reader_goes_on_behind_a_whole_block(ledger: Ledger, fresh: str, tmp_path: Path) -> None:
    contract = ledger.contract()
    first = await contract.submit("put", f"{fresh}1", "1")
    second = await contract.submit("put", f"{fresh}2", "1")
    checkpoint = Checkpoint.open(tmp_path / "checkpoint")
    checkpoint.record_block(first.block_number)
    async with aclosing(contract.chaincode_events(start_block=0, checkpoint=checkpoint)) as stream:
        assert (await anext(stream)).tx_id == second.tx_id


async def _first(contract: Contract, count: int, *, start_block: int) -> list[ChaincodeEvent]:
    async with aclosing(contract.chaincode_events(start_block=start_block)) as stream:
        return [await anext(stream) for _ in range(count)]
