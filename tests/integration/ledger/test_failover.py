"""Two ways to one ledger, of which one breaks while a client works."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from veilmesh_fabric import (
    Checkpoint,
    CommitStatusError,
    Contract,
    Deadlines,
    DeliverError,
    Gateway,
    GatewayAddress,
    Gateways,
    RetryPolicy,
    TlsClient,
    failover,
)

from tests.integration.ledger.ledger import CHAINCODE, CHANNEL, Ledger
from tests.integration.tcp_proxy import Proxy, proxied

EVENTS = 40


@pytest.fixture
async def ways(ledger: Ledger) -> AsyncIterator[list[Proxy]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(proxied(ledger.address)) for _ in range(2)]


@pytest.fixture
async def gateway(
    ledger: Ledger, ways: list[Proxy], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    monkeypatch.setattr(failover, "FIRST_REST_S", 0.05)
    monkeypatch.setattr(failover, "LONGEST_REST_S", 0.1)
    tls = TlsClient(ledger.tls_roots)
    async with Gateways.dial([GatewayAddress(way.address) for way in ways], lambda: tls) as gateways:
        yield Gateway(
            gateways,
            ledger.identities["org1"],
            deadlines=Deadlines(commit_status_s=2.0),
            retry=RetryPolicy(attempts=20),
        )


async def cut_in_turn(ways: list[Proxy]) -> None:
    """Break one way after the other, for ever; one is always open."""
    while True:
        for way in ways:
            await asyncio.sleep(0.3)
            await way.cut()
            await asyncio.sleep(0.3)
            await way.open()
            await asyncio.sleep(0.3)


async def write(contract: Contract) -> list[str]:
    """Submit changes one after the other, as a journal does; return their transaction ids.

    Of two equal transactions one is committed, so one of which nothing is known is sent again as it was.
    """
    written: list[str] = []
    while len(written) < EVENTS:
        transaction = await contract.endorse("put", f"key{len(written)}", "value")
        while transaction.tx_id not in written:
            await transaction.submit()
            with contextlib.suppress(CommitStatusError):
                (await transaction.commit_status()).require_valid()
                written.append(transaction.tx_id)
    return written


async def read(contract: Contract, checkpoint: Checkpoint) -> list[str]:
    """Read as many events, from the checkpoint on again where both ways broke at once."""
    seen: list[str] = []
    while len(seen) < EVENTS:
        with contextlib.suppress(DeliverError):
            async with aclosing(contract.chaincode_events(start_block=0, checkpoint=checkpoint)) as events:
                async for event in events:
                    checkpoint.record_event(event)
                    seen.append(event.tx_id)
                    if len(seen) == EVENTS:
                        break
    return seen


async def test_nothing_is_lost_or_happens_twice_while_ways_break(
    ledger: Ledger, gateway: Gateway, ways: list[Proxy], tmp_path: Path
) -> None:
    contract = gateway.contract(CHANNEL, CHAINCODE)
    breaking = asyncio.create_task(cut_in_turn(ways))
    checkpoint = Checkpoint.open(tmp_path / "events.json")
    async with asyncio.timeout(60):
        written, seen = await asyncio.gather(write(contract), read(contract, checkpoint))
    breaking.cancel()
    assert seen == written
    assert all(way.connections for way in ways)  # both were in use
    report = await ledger.verify()
    assert (
        report.transactions["ENDORSER_TRANSACTION", "VALID"] == EVENTS + 1
    )  # and the chaincode's definition


async def test_a_chain_is_read_whole_while_ways_break(
    ledger: Ledger, gateway: Gateway, ways: list[Proxy]
) -> None:
    contract = ledger.contract()
    for number in range(30):
        await contract.submit("put", f"key{number}", "v" * 10_000)
    height = await gateway.height(CHANNEL)
    numbers = []
    async with aclosing(gateway.blocks(CHANNEL, stop=height - 1)) as chain:
        async for block in chain:
            numbers.append(block.header.number)
            if len(numbers) == 5:
                await ways[0].cut()
    assert numbers == list(range(height))
