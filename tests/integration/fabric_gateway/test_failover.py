"""Two gateways to one ledger, of which one is away, hangs, breaks off or refuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

import grpc
import pytest
from veilmesh_fabric import (
    CommitStatusError,
    CommitStatusRequest,
    Contract,
    Deadlines,
    EvaluateError,
    Gateway,
    GatewayAddress,
    Gateways,
    RetryPolicy,
    SigningIdentity,
    SubmitError,
    TlsClient,
    VerificationError,
    deliver,
    failover,
)
from veilmesh_network.certificates import CertificateAuthority

from tests.integration.fabric_gateway.conftest import serving
from tests.integration.fabric_gateway.scripted_peer import (
    Behave,
    Exchange,
    Hold,
    Refusal,
    ScriptedPeer,
)
from tests.integration.tcp_proxy import Proxy, proxied

DEADLINES = Deadlines(evaluate_s=0.5, endorse_s=0.5, submit_s=0.5, commit_status_s=4.0)
ONCE = RetryPolicy(attempts=1, conflict_attempts=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two peers, the way to each, and a client that knows both."""

    first: ScriptedPeer
    second: ScriptedPeer
    ways: tuple[Proxy, Proxy]
    gateways: Gateways
    gateway: Gateway

    @property
    def contract(self) -> Contract:
        return self.gateway.contract("veil", "mesh")

    def submissions(self) -> int:
        return sum(peer.calls.count("Submit") for peer in (self.first, self.second))


@pytest.fixture
async def pair(
    tls_authority: CertificateAuthority, alice: SigningIdentity, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pair]:
    monkeypatch.setattr(failover, "FIRST_REST_S", 0.1)
    async with AsyncExitStack() as stack:
        served = [await stack.enter_async_context(serving(tls_authority)) for _ in range(2)]
        first = await stack.enter_async_context(proxied(served[0].address))
        second = await stack.enter_async_context(proxied(served[1].address))
        served[1].peer.committed = served[0].peer.committed  # one ledger
        addresses = [GatewayAddress(way.address) for way in (first, second)]
        tls = TlsClient(served[0].tls_roots_pem)
        gateways = await stack.enter_async_context(Gateways.dial(addresses, lambda: tls))
        gateway = Gateway(gateways, alice, deadlines=DEADLINES, retry=ONCE)
        yield Pair(served[0].peer, served[1].peer, (first, second), gateways, gateway)


async def back(pair: Pair, way: Proxy) -> None:
    async with asyncio.timeout(10):
        while way.address in pair.gateways.away:  # noqa: ASYNC110 - it comes back on its own time
            await asyncio.sleep(0.02)


async def test_the_first_is_used_while_it_works(pair: Pair) -> None:
    await pair.contract.submit("Set", "a")
    await pair.contract.evaluate("Get")
    assert pair.first.calls == ["Endorse", "Submit", "CommitStatus", "Evaluate"]
    assert pair.ways[1].connections == 0  # nor is the second one dialled


async def test_calls_go_to_the_second_while_the_first_is_away_and_back_when_it_answers(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    await pair.ways[0].cut()
    for _ in range(3):
        assert await pair.contract.evaluate("Get", "a") == b"Get a"
    assert pair.second.calls == ["Evaluate"] * 3
    assert pair.gateways.away == [pair.ways[0].address]
    assert caplog.text.count("is away") == 1  # said once, not with every call

    await pair.ways[0].open()
    await back(pair, pair.ways[0])
    await pair.contract.evaluate("Get")
    assert pair.first.calls == ["Evaluate"]


async def test_one_that_hangs_costs_one_deadline_and_no_more(pair: Pair) -> None:
    await pair.contract.evaluate("Get")
    pair.ways[0].hang()
    started = asyncio.get_running_loop().time()
    for _ in range(5):
        await pair.contract.evaluate("Get")
    assert asyncio.get_running_loop().time() - started < 2 * DEADLINES.evaluate_s
    assert pair.second.calls == ["Evaluate"] * 5

    await asyncio.sleep(0.3)
    assert pair.gateways.away  # it takes connections, but makes no handshake
    pair.ways[0].flow()
    await back(pair, pair.ways[0])


async def test_when_all_are_away_each_is_tried_and_the_last_error_told(pair: Pair) -> None:
    for way in pair.ways:
        await way.cut()
    with pytest.raises(EvaluateError, match="Connection refused") as caught:
        await pair.contract.evaluate("Get")
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    await pair.ways[1].open()
    await back(pair, pair.ways[1])
    await pair.contract.evaluate("Get")
    assert pair.second.calls == ["Evaluate"]


@pytest.mark.parametrize(
    "said",
    [
        Refusal(grpc.StatusCode.FAILED_PRECONDITION, "... due to unavailability of peers: [peer0.org2:9051]"),
        Refusal(grpc.StatusCode.ABORTED, "see details", (("p", "Org2MSP", "rpc error: code = Unavailable"),)),
    ],
)
async def test_a_gateway_that_does_not_reach_its_peers_is_passed_over_but_not_given_up(
    pair: Pair, said: Refusal
) -> None:
    pair.first.script = {"Endorse": [said]}
    await pair.contract.submit("Set", "a")
    assert pair.second.calls == ["Endorse"]
    assert pair.first.calls == ["Endorse", "Submit", "CommitStatus"]
    assert pair.gateways.away == []


async def test_a_refusal_is_no_reason_to_ask_another(pair: Pair) -> None:
    pair.first.script = {
        "Evaluate": [
            Refusal(grpc.StatusCode.UNKNOWN, "chaincode response 409, no"),
            Refusal(
                grpc.StatusCode.UNAVAILABLE, "see details", (("p", "M", "access denied: channel [veil]"),)
            ),
        ]
    }
    for _ in range(2):
        with pytest.raises(EvaluateError):
            await pair.contract.evaluate("Get")
    assert pair.second.calls == []
    assert pair.gateways.away == []


async def test_a_gateway_that_lies_is_believed_no_more_for_being_one_of_two(pair: Pair) -> None:
    pair.first.script = {"Endorse": [Exchange()]}
    with pytest.raises(VerificationError, match="another input than the proposal"):
        await pair.contract.submit("Set")
    assert pair.submissions() == 0


async def test_a_gateway_that_goes_before_the_submission_leaves_no_doubt(pair: Pair) -> None:
    endorsed = await pair.contract.endorse("Set", "a")
    await pair.ways[0].cut()
    await pair.contract.evaluate("Get")  # the broken connection is noticed
    submitted = await endorsed.commit()
    assert submitted.result == b"Set a"
    assert pair.first.calls == ["Endorse"]
    assert pair.second.calls == ["Evaluate", "Submit", "CommitStatus"]


async def test_a_fate_that_the_gateway_that_is_left_does_not_know_stays_open(pair: Pair) -> None:
    endorsed = await pair.contract.endorse("Set", "a")
    await pair.ways[0].cut()
    await pair.contract.evaluate("Get")
    question = CommitStatusRequest.build(pair.gateway.identity.creator, "veil", endorsed.tx_id)
    with pytest.raises(CommitStatusError) as caught:
        await pair.gateway.calls.commit_status(question.sign(pair.gateway.identity))
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED  # and not that the other one is away


async def test_a_gateway_that_goes_with_the_answer_is_asked_after_at_the_other(pair: Pair) -> None:
    endorsed = await pair.contract.endorse("Set", "a")
    pair.first.script = {"Submit": [Refusal(grpc.StatusCode.UNAVAILABLE, "Socket closed", after=True)]}
    await endorsed.submit()
    await pair.ways[0].cut()
    assert (await endorsed.commit_status()).valid
    assert pair.submissions() == 1
    assert pair.second.calls == ["CommitStatus"]


async def test_a_gateway_that_hangs_with_the_answer_is_asked_after_at_the_other(pair: Pair) -> None:
    endorsed = await pair.contract.endorse("Set", "a")
    pair.first.committed.add(endorsed.tx_id)
    pair.ways[0].hang()
    submitted = await endorsed.commit()  # the first one has it, and says nothing any more
    assert submitted.block_number == 7
    assert pair.first.calls == ["Endorse"]
    assert pair.second.calls == ["CommitStatus"]


async def test_one_that_waits_for_a_block_is_not_taken_for_one_that_hangs(pair: Pair) -> None:
    late = Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "not seen")
    pair.first.script = {"CommitStatus": [late, Behave()]}
    pair.second.script = {"CommitStatus": [late]}
    await pair.contract.submit("Set", "a")
    assert pair.submissions() == 1
    assert pair.gateways.away == []


async def test_a_submission_that_is_one_too_many_is_sent_again(pair: Pair) -> None:
    busy = Refusal(grpc.StatusCode.UNKNOWN, "too many requests for /gateway.Gateway, exceeding ... (500)")
    pair.first.script = {"Submit": [busy, busy, Behave()]}
    patient = Gateway(pair.gateways, pair.gateway.identity, retry=RetryPolicy(first_delay_s=0.01))
    await patient.contract("veil", "mesh").submit("Set", "a")
    assert pair.first.calls == ["Endorse", "Submit", "Submit", "Submit", "CommitStatus"]

    pair.first.script = {"Submit": [busy]}
    with pytest.raises(SubmitError, match="too many requests"):
        await pair.contract.submit("Set", "a")
    assert pair.first.calls[-1] == "Submit"  # what was not looked at need not be looked up


async def test_events_go_on_behind_the_last_one(pair: Pair) -> None:
    pair.first.script = {"ChaincodeEvents": [Hold()]}
    pair.second.script = {"ChaincodeEvents": [Hold()]}
    async with aclosing(pair.contract.chaincode_events(start_block=7)) as events:
        assert [(await anext(events)).tx_id for _ in range(2)] == ["tx-1", "tx-2"]
        await pair.ways[0].cut()
        await anext(events)
    (asked,) = pair.second.requests["ChaincodeEvents"]
    assert (asked.start_position.specified.number, asked.after_transaction_id) == (7, "tx-2")


async def test_the_next_block_is_fixed_before_a_gateway_breaks_off(pair: Pair) -> None:
    """Each gateway has another next one, and events in between would be lost."""
    pair.first.script = {"ChaincodeEvents": [Refusal(grpc.StatusCode.UNAVAILABLE, "going down")]}
    async with aclosing(pair.contract.chaincode_events()) as events:
        await anext(events)
    for peer in (pair.first, pair.second):
        (asked,) = peer.requests["ChaincodeEvents"]
        assert asked.start_position.specified.number == 3


async def test_blocks_go_on_behind_the_last_one(pair: Pair) -> None:
    pair.first.script = {"Deliver": [Refusal(grpc.StatusCode.UNAVAILABLE, "going down", after=True)]}
    assert [block.header.number async for block in pair.gateway.blocks("veil", stop=2)] == [0, 1, 2]
    (asked,) = pair.second.requests["Deliver"]
    assert asked.start.specified.number == 3


async def test_a_gateway_that_delivers_nothing_any_more_is_passed_over(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "IDLE_S", 0.3)
    await pair.gateway.height("veil")
    pair.ways[0].hang()
    assert [block.header.number async for block in pair.gateway.blocks("veil", stop=2)] == [0, 1, 2]
    assert pair.second.calls == ["Deliver"]


async def test_height_is_asked_of_whoever_answers(pair: Pair) -> None:
    await pair.ways[0].cut()
    assert await pair.gateway.height("veil") == 3
