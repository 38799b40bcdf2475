"""Blocks and events, from anywhere, more than once."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from veilmesh_fabric import ChaincodeEvent, Checkpoint, Contract, DeliverError, blocks

from tests.integration.ledger.ledger import CHANNEL, Ledger


async def test_blocks_from_any_start(ledger: Ledger) -> None:
    for number in range(3):
        await ledger.contract().submit("put", "key", str(number))
    chain = await ledger.chain()
    for start in range(len(chain)):
        stream = blocks(ledger.connection, ledger.identities["audit"], CHANNEL, start=start, stop="newest")
        numbers = [block.header.number async for block in stream]
        assert numbers == list(range(start, len(chain)))


async def test_the_newest_block_alone(ledger: Ledger) -> None:
    submitted = await ledger.contract().submit("put", "key", "1")
    stream = blocks(ledger.connection, ledger.identities["org2"], CHANNEL, start="newest", stop="newest")
    assert [block.header.number async for block in stream] == [submitted.block_number]


async def test_a_block_that_does_not_stand_yet(ledger: Ledger) -> None:
    height = len(await ledger.chain())
    at_once = blocks(ledger.connection, ledger.identities["audit"], CHANNEL, start=height, wait=False)
    with pytest.raises(DeliverError) as refused:
        async for _ in at_once:
            pass
    assert refused.value.status == "NOT_FOUND"

    waiting = blocks(ledger.connection, ledger.identities["audit"], CHANNEL, start=height, stop=height)
    block = asyncio.ensure_future(anext(waiting))
    await ledger.contract().submit("put", "key", "1")
    assert (await block).header.number == height
    await waiting.aclose()


async def test_a_channel_that_does_not_exist(ledger: Ledger) -> None:
    with pytest.raises(DeliverError) as refused:
        async for _ in blocks(ledger.connection, ledger.identities["audit"], "elsewhere", stop="newest"):
            pass
    assert refused.value.status == "NOT_FOUND"


async def test_events_of_valid_transactions_in_their_order(ledger: Ledger) -> None:
    contract = ledger.contract()
    submitted = [await contract.submit("put", f"key{number}", "1") for number in range(3)]
    lost = await contract.endorse("put", "unendorsed", "1", endorsing_organizations=["Org1MSP"])
    await lost.submit()
    await lost.commit_status()
    submitted.append(await contract.submit("put", "key3", "1"))
    events = await _first(contract, 4, start_block=0)
    assert [(event.tx_id, event.block_number) for event in events] == [
        (transaction.tx_id, transaction.block_number) for transaction in submitted
    ]
    assert [(event.name, event.payload) for event in events] == [
        ("put", f"key{number}".encode()) for number in range(4)
    ]


async def test_a_reader_goes_on_behind_its_checkpoint(ledger: Ledger, tmp_path: Path) -> None:
    contract = ledger.contract()
    await asyncio.gather(*(contract.submit("put", f"key{number}", "1") for number in range(20)))
    everything = await _first(contract, 20, start_block=0)
    seen: list[ChaincodeEvent] = []
    while len(seen) < len(everything):
        checkpoint = Checkpoint.open(tmp_path / "checkpoint")
        async with aclosing(contract.chaincode_events(start_block=0, checkpoint=checkpoint)) as stream:
            for _ in range(min(7, len(everything) - len(seen))):
                event = await anext(stream)
                checkpoint.record_event(event)
                seen.append(event)
    assert seen == everything


async def _first(contract: Contract, count: int, *, start_block: int) -> list[ChaincodeEvent]:
    async with aclosing(contract.chaincode_events(start_block=start_block)) as stream:
        return [await anext(stream) for _ in range(count)]
