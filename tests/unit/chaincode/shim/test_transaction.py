"""Whatever goes wrong, the peer gets an answer, and nothing of the inside is in it."""

import logging
from collections.abc import Sequence
from time import time

import pytest
from veilmesh_chaincode.chaincode import Response
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.shim import exchange
from veilmesh_chaincode.shim.stub import TransactionStub
from veilmesh_chaincode.stub import Stub

from tests.unit.chaincode.shim.fake_peer import READY_2_5, READY_3_1, Answer, FakePeer
from tests.unit.chaincode.shim.serving import Contract, OneContract, creator, serving

CREATOR = creator()


async def run(contract: Contract, peer: FakePeer | None = None, at_s: float | None = None) -> Answer:
    async with serving(OneContract(contract), peer) as (served, _):
        return await served.execute(creator=CREATOR, at_s=at_s, tx_id="f" * 64)


def refusal_in(answer: Answer) -> Refusal:
    refusal = Refusal.from_message(answer.message)
    assert refusal is not None
    assert answer.status == refusal.code.status
    assert answer.payload == b""
    assert answer.event is None
    assert answer.writes == {}
    return refusal


def is_internal(answer: Answer) -> bool:
    refusal = refusal_in(answer)
    assert refusal.message == f"internal error in transaction {'f' * 64}"
    return refusal.code is RefusalCode.INTERNAL


async def write_something(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
    await stub.put_state("a", b"1")
    stub.set_event("written", b"a")
    return b"done"


@pytest.mark.parametrize("skew_s", [-59, 0, 59])
async def test_a_proposal_of_about_now(skew_s: float) -> None:
    assert (await run(write_something, at_s=time() + skew_s)).status == 200


@pytest.mark.parametrize("skew_s", [-62, 62, -1e9, 1e9])
async def test_a_proposal_of_another_time(skew_s: float) -> None:
    refusal = refusal_in(await run(write_something, at_s=time() + skew_s))
    assert refusal.code is RefusalCode.CLOCK_SKEW
    assert "off the endorser's clock, more than 60 s" in refusal.message


async def test_an_identity_that_is_no_certificate() -> None:
    async with serving(OneContract(write_something)) as (peer, _):
        answer = await peer.execute(creator=b"\x0a\x01x")
    assert refusal_in(answer).code is RefusalCode.MALFORMED


@pytest.mark.parametrize("status", [400, 403, 409, 500])
async def test_a_refusal_leaves_nothing_behind(status: int) -> None:
    class Refusing:
        async def invoke(self, stub: Stub, _: Sequence[bytes]) -> Response:
            await stub.put_state("a", b"1")
            await stub.set_endorsers("a", ["Org1MSP"])
            stub.set_event("written", b"a")
            return Response(status, "no", b"")

    async with serving(Refusing()) as (peer, _):
        answer = await peer.execute(creator=CREATOR)
    assert (answer.status, answer.message, answer.event, answer.writes) == (status, "no", None, {})
    assert peer.requests == []


async def test_a_contract_that_lets_an_exception_out(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        await stub.put_state("a", b"1")
        raise RuntimeError("the key is 1234")

    assert is_internal(await run(broken))
    assert "the key is 1234" in caplog.text  # for the operator alone


async def test_a_read_that_the_peer_refuses(caplog: pytest.LogCaptureFixture) -> None:
    peer = FakePeer()
    peer.ledger.broken.add("a")

    async def reading(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        await stub.put_state("b", b"1")
        return await stub.get_state("a") or b""

    answer = await run(reading, peer)
    assert is_internal(answer)
    assert "hyperledger" not in answer.message
    assert "leveldb at /var/hyperledger is broken" in caplog.text


async def test_a_contract_may_go_on_after_a_refused_read() -> None:
    peer = FakePeer()
    peer.ledger.broken.add("a")
    peer.ledger.state["b"] = b"2"

    async def reading(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        with pytest.raises(Exception, match="broken"):
            await stub.get_state("a")
        return await stub.get_state("b") or b""

    assert (await run(reading, peer)).payload == b"2"


@pytest.mark.parametrize("ready", [READY_2_5, READY_3_1], ids=["2.5", "3.1"])
async def test_a_write_that_the_peer_refuses(ready: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = FakePeer(ready=ready)

    def refuse(*_: object) -> bytes:
        raise LookupError("no ledger context")

    monkeypatch.setattr("tests.unit.chaincode.shim.fake_ledger.TransactionView.handle", refuse)
    assert is_internal(await run(write_something, peer))


async def test_an_answer_that_no_peer_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_MESSAGE_BYTES", 10_000)

    async def talking(_: TransactionStub, __: Sequence[bytes]) -> bytes:
        return bytes(10_000)

    assert is_internal(await run(talking))


async def test_a_request_that_no_peer_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_MESSAGE_BYTES", 10_000)
    peer = FakePeer()

    async def writing(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        await stub.put_state("a", bytes(10_000))
        return b""

    assert is_internal(await run(writing, peer))
    assert peer.requests == []


async def test_asking_after_the_answer() -> None:
    stubs: list[TransactionStub] = []

    async def leaking(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        stubs.append(stub)
        return b""

    await run(leaking)
    with pytest.raises(Exception, match="the transaction is over"):
        await stubs[0].get_state("a")


async def test_arguments_and_results_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def quiet(stub: TransactionStub, args: Sequence[bytes]) -> bytes:
        await stub.put_state("a", b"a secret")
        return args[0]

    async with serving(OneContract(quiet)) as (peer, _):
        await peer.execute(b"a secret", creator=CREATOR, transient={"a": b"a secret"})
    assert "secret" not in caplog.text
