"""What a contract may ask: the same from an older peer, one request at a time, as from one that batches."""

from collections.abc import Sequence
from typing import Any

import pytest
from fabric_protos.common.policies_pb2 import SignaturePolicyEnvelope
from fabric_protos.msp.msp_principal_pb2 import MSPRole
from veilmesh_chaincode.pending_writes import MisuseError
from veilmesh_chaincode.shim.stub import TransactionStub
from veilmesh_chaincode.stub import StatePage, StateVersion

from tests.unit.chaincode.shim.fake_peer import READY_2_5, READY_3_1, Answer, FakePeer
from tests.unit.chaincode.shim.serving import Contract, OneContract, creator, serving

CREATOR = creator("operator", "Org2MSP")


@pytest.fixture(params=[READY_2_5, READY_3_1], ids=["2.5", "3.1"])
def peer(request: pytest.FixtureRequest) -> FakePeer:
    return FakePeer(ready=request.param)


async def run(peer: FakePeer, contract: Contract, **options: Any) -> Answer:
    async with serving(OneContract(contract), peer):
        answer = await peer.execute(creator=CREATOR, **options)
    assert answer.status == 200, answer.message
    assert peer.dropped == 0
    return answer


def batching(peer: FakePeer) -> bool:
    return peer._ready == READY_3_1


async def test_who_when_and_where(peer: FakePeer) -> None:
    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        assert (stub.channel, stub.tx_id) == ("veilmesh", "f" * 64)
        assert stub.creator.msp_id == "Org2MSP"
        assert stub.creator.organizational_units == {"client"}
        assert stub.creator.attributes == {"role": "operator"}
        assert stub.transient == {"secret": b"key"}
        return str(stub.timestamp_s).encode()

    from time import time

    at_s = time() + 0.5
    answer = await run(peer, contract, tx_id="f" * 64, at_s=at_s, transient={"secret": b"key"})
    assert answer.payload == str(int(at_s)).encode()


async def test_many_keys_in_as_few_requests_as_the_peer_allows(peer: FakePeer) -> None:
    peer.ledger.state = {"b": b"2", "d": b"4", "g": b"7"}

    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        assert await stub.get_states(list("abcdefg")) == [None, b"2", None, b"4", None, None, b"7"]
        assert await stub.get_states([]) == []
        return b""

    await run(peer, contract)
    assert peer.requests == (["GET_STATE_MULTIPLE"] * 3 if batching(peer) else ["GET_STATE"] * 7)


async def test_reads_never_see_the_transactions_own_writes(peer: FakePeer) -> None:
    peer.ledger.state = {"a": b"before"}

    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        await stub.put_state("a", b"after")
        await stub.delete_state("b")
        assert await stub.get_states(["a", "b"]) == [b"before", None]
        return await stub.get_state("a") or b""

    assert (await run(peer, contract)).payload == b"before"


async def test_writes_go_out_in_order_of_the_last_one_to_a_key(peer: FakePeer) -> None:
    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        for number in range(4):
            await stub.put_state(f"k{number}", b"v%d" % number)
        await stub.delete_state("k1")
        await stub.put_state("k0", b"again")
        await stub.delete_state("gone")
        await stub.put_state("gone", b"back")
        await stub.set_endorsers("k2", ["Org2MSP", "Org1MSP", "Org2MSP"])
        return b""

    answer = await run(peer, contract)
    assert answer.writes == {"k0": b"again", "k1": None, "k2": b"v2", "k3": b"v3", "gone": b"back"}
    policy = SignaturePolicyEnvelope.FromString(answer.view.policies["k2"])
    roles = [MSPRole.FromString(identity.principal) for identity in policy.identities]
    assert [(role.msp_identifier, role.role) for role in roles] == [
        ("Org1MSP", MSPRole.PEER),
        ("Org2MSP", MSPRole.PEER),
    ]
    assert policy.rule.n_out_of.n == 2
    if batching(peer):
        assert peer.requests == ["WRITE_BATCH_STATE"] * 2
    else:
        assert sorted(set(peer.requests)) == ["DEL_STATE", "PUT_STATE", "PUT_STATE_METADATA"]
        assert len(peer.requests) == 6


async def test_pages(peer: FakePeer) -> None:
    peer.ledger.state = {f"\x00kind\x00{name}\x00": name.encode() for name in "abcde"} | {"other": b"x"}

    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        start, end = "\x00kind\x00", "\x00kind\x00\U0010ffff"
        first = await stub.get_range(start, end, limit=2)
        assert first == StatePage(
            [("\x00kind\x00a\x00", b"a"), ("\x00kind\x00b\x00", b"b")], "\x00kind\x00c\x00"
        )
        second = await stub.get_range(start, end, limit=3, bookmark=first.bookmark)
        assert [value for _, value in second.entries] == [b"c", b"d", b"e"]
        assert second.bookmark == ""
        assert await stub.get_range("x", "y", limit=1) == StatePage([], "")
        return b""

    await run(peer, contract)
    assert peer.requests == ["GET_STATE_BY_RANGE"] * 3


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
async def test_a_range_is_fetched_as_it_is_read(peer: FakePeer, count: int) -> None:
    peer.ledger.state = {f"k{number}": b"v" for number in range(count)}

    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        async with stub.iterate_range("k", "l") as entries:
            assert [entry async for entry in entries] == sorted(peer.ledger.state.items())
        return b""

    answer = await run(peer, contract)
    assert len(peer.requests) == max(1, (count + 1) // 2)  # two results a message
    assert answer.view.closed == []


async def test_a_range_left_early_is_closed(peer: FakePeer) -> None:
    peer.ledger.state = {f"k{number}": b"v" for number in range(5)}

    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        async with stub.iterate_range("k", "l") as entries:
            assert await anext(entries) == ("k0", b"v")
        await stub.put_state("after", b"1")  # allowed: the range was no page
        return b""

    answer = await run(peer, contract)
    assert answer.view.closed == ["query-0"]
    assert answer.writes == {"after": b"1"}


@pytest.mark.parametrize("count", [0, 1, 2, 5])
async def test_history_is_newest_first(peer: FakePeer, count: int) -> None:
    versions: list[tuple[str, int, bytes | None]] = [
        (f"tx{n}", 1000 + n, None if n == 1 else b"v%d" % n) for n in range(count)
    ]
    peer.ledger.history["a"] = versions

    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        expected = [StateVersion(*version) for version in reversed(versions)]
        assert await stub.get_history("a") == expected
        return b""

    await run(peer, contract)
    assert len(peer.requests) == max(1, (count + 1) // 2)


async def test_the_hash_of_a_private_value(peer: FakePeer) -> None:
    peer.ledger.private_hashes["secrets", "a"] = bytes(32)

    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        assert await stub.get_private_data_hash("secrets", "b") is None
        return await stub.get_private_data_hash("secrets", "a") or b""

    assert (await run(peer, contract)).payload == bytes(32)


async def test_the_last_event_counts(peer: FakePeer) -> None:
    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        stub.set_event("first", b"1")
        stub.set_event("last", b"2")
        return b""

    assert (await run(peer, contract)).event == ("last", b"2")


async def test_a_query_writes_nothing_and_emits_nothing(peer: FakePeer) -> None:
    async def contract(_: TransactionStub, __: Sequence[bytes]) -> bytes:
        return b"x"

    answer = await run(peer, contract)
    assert (answer.event, answer.writes, peer.requests) == (None, {}, [])


async def put_nothing(stub: TransactionStub) -> None:
    await stub.put_state("a", b"")


async def put_without_key(stub: TransactionStub) -> None:
    await stub.put_state("", b"1")


async def page_of_none(stub: TransactionStub) -> None:
    await stub.get_range("a", "b", limit=0)


async def page_after_write(stub: TransactionStub) -> None:
    await stub.put_state("a", b"1")
    await stub.get_range("a", "b", limit=1)


async def page_after_endorsers(stub: TransactionStub) -> None:
    await stub.set_endorsers("a", ["Org1MSP"])
    await stub.get_range("a", "b", limit=1)


async def write_after_page(stub: TransactionStub) -> None:
    await stub.get_range("a", "b", limit=1)
    await stub.delete_state("a")


async def endorsers_after_page(stub: TransactionStub) -> None:
    await stub.get_range("a", "b", limit=1)
    await stub.set_endorsers("a", ["Org1MSP"])


@pytest.mark.parametrize(
    "misuse",
    [
        put_nothing,
        put_without_key,
        page_of_none,
        page_after_write,
        page_after_endorsers,
        write_after_page,
        endorsers_after_page,
    ],
)
async def test_what_no_transaction_may_do(peer: FakePeer, misuse: Any) -> None:
    async def contract(stub: TransactionStub, _: Sequence[bytes]) -> bytes:
        with pytest.raises(MisuseError):
            await misuse(stub)
        return b""

    await run(peer, contract)
