"""Many transactions on one stream: none lost, none mixed up, none left behind."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message
from prometheus_client import generate_latest
from veilmesh_chaincode.shim.metrics import Metrics
from veilmesh_chaincode.shim.stream import PeerStream
from veilmesh_chaincode.shim.stub import TransactionStub

from tests.unit.chaincode.shim.fake_peer import (
    READY_2_5,
    FakePeer,
    StreamTerminatedError,
    TransactionFailedError,
)
from tests.unit.chaincode.shim.serving import CREATOR, PACKAGE_ID, OneContract, Waiting, get, serving


async def test_it_registers_as_its_package_and_answers() -> None:
    async with serving(OneContract(get)) as (peer, _):
        peer.ledger.state["a"] = b"1"
        answer = await peer.execute(b"a", creator=CREATOR)
        assert (answer.status, answer.message, answer.payload) == (200, "", b"1")
        assert peer.package_id == PACKAGE_ID


async def test_transactions_do_not_wait_for_each_other() -> None:
    waiting = Waiting()
    async with serving(OneContract(waiting)) as (peer, _):
        peer.ledger.state["a"] = b"1"
        slow = asyncio.create_task(peer.execute(b"a", creator=CREATOR))
        await waiting.begun.wait()
        quick = await peer.execute(b"b", b"quick", creator=CREATOR)
        assert quick.payload == b"nothing"
        assert not slow.done()
        waiting.let_go.set()
        assert (await slow).payload == b"1"


@pytest.mark.parametrize("ready", [READY_2_5, None], ids=["2.5", "3.1"])
async def test_a_thousand_at_once_each_get_their_own_answer(ready: bytes | None) -> None:
    peer = FakePeer() if ready is None else FakePeer(ready=ready)
    peer.ledger.state = {f"k{number}": b"v%d" % number for number in range(1000)}

    async def copy(stub: TransactionStub, args: Sequence[bytes]) -> bytes:
        value = await get(stub, args)
        await stub.put_state("copy", value)
        again = await stub.get_states([args[0].decode(), "k7"])
        return b" ".join([value, *(each or b"-" for each in again)])

    async with serving(OneContract(copy), peer):
        answers = await asyncio.gather(
            *(peer.execute(b"k%d" % number, creator=CREATOR) for number in range(1000))
        )
    assert [answer.payload for answer in answers] == [b"v%d v%d v7" % (n, n) for n in range(1000)]
    assert [answer.writes for answer in answers] == [{"copy": b"v%d" % n} for n in range(1000)]
    assert peer.dropped == 0


async def test_answers_are_told_apart_by_channel_and_transaction() -> None:
    async def where(stub: TransactionStub, args: Sequence[bytes]) -> bytes:
        return stub.channel.encode() + b":" + await get(stub, args)

    async with serving(OneContract(where)) as (peer, _):
        peer.ledger.state = {"a": b"1", "b": b"2"}
        answers = await asyncio.gather(
            peer.execute(b"a", creator=CREATOR, tx_id="t" * 64, channel="one"),
            peer.execute(b"b", creator=CREATOR, tx_id="t" * 64, channel="two"),
        )
    assert [answer.payload for answer in answers] == [b"one:1", b"two:2"]


async def test_a_contract_that_asks_from_several_tasks_has_one_request_open() -> None:
    async def both(stub: TransactionStub, args: Sequence[bytes]) -> bytes:
        return b"".join(await asyncio.gather(*(get(stub, [key]) for key in args)))

    async with serving(OneContract(both)) as (peer, _):
        peer.ledger.state = {"a": b"1", "b": b"2", "c": b"3"}
        answer = await peer.execute(b"a", b"b", b"c", creator=CREATOR)
    assert answer.payload == b"123"
    assert peer.dropped == 0


async def test_the_fake_peer_does_drop_a_second_request() -> None:
    """Else the test above would show nothing."""
    peer = FakePeer()
    peer.answering.clear()
    for _ in range(2):
        peer.take(Message(type=Message.GET_STATE, txid="t", channel_id="c"))
    assert peer.dropped == 1


async def test_a_transaction_that_is_still_running_is_not_begun_again() -> None:
    waiting = Waiting()
    async with serving(OneContract(waiting)) as (peer, _):
        given_up = asyncio.create_task(peer.execute(b"a", creator=CREATOR, tx_id="t" * 64))
        await waiting.begun.wait()
        given_up.cancel()
        await asyncio.wait([given_up])
        with pytest.raises(TransactionFailedError, match="still running"):
            await peer.execute(b"a", creator=CREATOR, tx_id="t" * 64)


async def test_initialisation_is_declined() -> None:
    async with serving(OneContract(get)) as (peer, _):
        with pytest.raises(TransactionFailedError, match="nothing to initialise"):
            await peer.execute(b"a", creator=CREATOR, kind=Message.INIT)


async def test_a_keepalive_comes_back() -> None:
    async with serving(OneContract(get)) as (peer, _):
        peer.send(Message(type=Message.KEEPALIVE))
        await peer.execute(b"a", creator=CREATOR)
        assert peer.kept_alive == 1


@pytest.mark.parametrize("kind", [Message.RESPONSE, Message.ERROR, Message.UNDEFINED])
async def test_what_nobody_asked_for_does_no_harm(kind: int, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(OneContract(get)) as (peer, _):
        peer.send(Message(type=kind, txid="t" * 64, channel_id="veilmesh", payload=b"x"))
        assert (await peer.execute(b"a", creator=CREATOR)).status == 200
    assert len(caplog.records) == 1


async def test_a_peer_that_goes_away_cancels_its_transactions() -> None:
    waiting = Waiting()
    metrics = Metrics()
    async with serving(OneContract(waiting), metrics=metrics) as (peer, _):
        running = asyncio.create_task(peer.execute(b"a", creator=CREATOR))
        await waiting.begun.wait()
    assert waiting.cancelled.is_set()
    peer.terminated()
    with pytest.raises(StreamTerminatedError):
        await running
    assert b'transactions_total{status="cancelled"} 1.0' in generate_latest(metrics.registry)
    assert b"running_transactions 0.0" in generate_latest(metrics.registry)


async def test_a_request_without_an_answer_ends_with_the_stream() -> None:
    async with serving(OneContract(get)) as (peer, _):
        peer.answering.clear()
        running = asyncio.create_task(peer.execute(b"a", creator=CREATOR))
        await peer.asked.wait()
    peer.terminated()
    with pytest.raises(StreamTerminatedError):
        await running


async def test_a_stream_that_cannot_be_written_ends() -> None:
    class Deaf(FakePeer):
        async def write(self, message: Any) -> None:
            await super().write(message)
            if message.type == Message.COMPLETED:
                raise ConnectionResetError

    peer = Deaf()
    stream = PeerStream(peer, PACKAGE_ID, OneContract(get), Metrics())
    running = asyncio.create_task(peer.execute(b"a", creator=CREATOR))
    with pytest.raises(ConnectionResetError):
        await stream.serve()
    await running


async def test_draining_finishes_what_is_at_work_and_takes_no_more() -> None:
    waiting = Waiting()
    peer = FakePeer()
    peer.ledger.state["a"] = b"1"
    stream = PeerStream(peer, PACKAGE_ID, OneContract(waiting), Metrics())
    serve = asyncio.create_task(stream.serve())
    running = asyncio.create_task(peer.execute(b"a", creator=CREATOR))
    await waiting.begun.wait()
    stream.drain()
    with pytest.raises(TransactionFailedError, match="stopping"):
        await peer.execute(b"b", creator=CREATOR)
    assert not serve.done()
    waiting.let_go.set()
    assert (await running).payload == b"1"
    await serve


async def test_draining_an_idle_stream_ends_it() -> None:
    stream = PeerStream(FakePeer(), PACKAGE_ID, OneContract(get), Metrics())
    serve = asyncio.create_task(stream.serve())
    await asyncio.sleep(0)
    stream.drain()
    await serve


async def test_outcomes_are_counted() -> None:
    metrics = Metrics()
    async with serving(OneContract(get), metrics=metrics) as (peer, _):
        await peer.execute(b"a", creator=CREATOR)
        await peer.execute(b"a", creator=CREATOR, at_s=0)
    counted = generate_latest(metrics.registry)
    assert b'veilmesh_chaincode_transactions_total{status="200"} 1.0' in counted
    assert b'veilmesh_chaincode_transactions_total{status="409"} 1.0' in counted
    assert b"veilmesh_chaincode_transaction_seconds_count 2.0" in counted
