"""The service over gRPC with mutual TLS, and a peer that calls it as a real one does."""

import asyncio
from collections.abc import Sequence

import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from veilmesh_chaincode.shim.errors import SettingsError
from veilmesh_chaincode.shim.server import serve
from veilmesh_chaincode.shim.settings import Address, Settings, Tls
from veilmesh_chaincode.shim.stub import TransactionStub
from veilmesh_network.certificates import CertificateAuthority

from tests.integration.chaincode.remote_peer import connected, dial
from tests.integration.chaincode.running import PACKAGE_ID, running
from tests.unit.chaincode.shim.fake_peer import (
    READY_2_5,
    FakePeer,
    StreamTerminatedError,
    TransactionFailedError,
)
from tests.unit.chaincode.shim.serving import CREATOR, OneContract, Waiting, get


async def put(stub: TransactionStub, args: Sequence[bytes]) -> bytes:
    """Write all arguments."""
    for arg in args:
        await stub.put_state(arg.decode(), arg)
    return b""


async def test_ten_thousand_evaluates_at_concurrency_400_and_no_reply_lost() -> None:
    keys = [b"k%d" % number for number in range(10_000)]
    peer = FakePeer()
    peer.ledger.state = {key.decode(): b"v" + key for key in keys}
    waiting = iter(keys)
    answered: dict[bytes, bytes] = {}

    async def client() -> None:
        for key in waiting:
            answered[key] = (await peer.execute(key, creator=CREATOR)).payload

    async with running(OneContract(get)) as service, service.dial() as channel, connected(peer, channel):
        await asyncio.gather(*(client() for _ in range(400)))
    assert answered == {key: b"v" + key for key in keys}
    assert peer.dropped == 0


@pytest.mark.parametrize("ready", [READY_2_5, None], ids=["2.5", "3.1"])
async def test_writes_at_once_do_not_mix(ready: bytes | None) -> None:
    peer = FakePeer() if ready is None else FakePeer(ready=ready)
    async with running(OneContract(put)) as service, service.dial() as channel, connected(peer, channel):
        answers = await asyncio.gather(
            *(peer.execute(*(b"%d-%d" % (n, m) for m in range(4)), creator=CREATOR) for n in range(100))
        )
    for n, answer in enumerate(answers):
        keys = [f"{n}-{m}" for m in range(4)]
        assert answer.writes == {key: key.encode() for key in keys}
    assert peer.dropped == 0


async def test_peers_have_streams_of_their_own() -> None:
    peers = [FakePeer(), FakePeer(ready=READY_2_5)]
    for number, peer in enumerate(peers):
        peer.ledger.state["a"] = b"of peer %d" % number
    async with (
        running(OneContract(get)) as service,
        service.dial() as first,
        service.dial() as second,
        connected(peers[0], first),
        connected(peers[1], second),
    ):
        same = "f" * 64  # one proposal goes to several endorsers
        answers = await asyncio.gather(*(peer.execute(b"a", creator=CREATOR, tx_id=same) for peer in peers))
    assert [answer.payload for answer in answers] == [b"of peer 0", b"of peer 1"]


async def test_a_peer_that_disconnects_takes_its_transactions_along_and_may_come_back() -> None:
    waiting = Waiting()
    peer, other = FakePeer(), FakePeer()
    other.ledger.state["b"] = b"2"
    async with (
        running(OneContract(waiting)) as service,
        service.dial() as channel,
        service.dial() as another,
        connected(other, another),
    ):
        async with connected(peer, channel) as call:
            lost = asyncio.create_task(peer.execute(b"a", creator=CREATOR))
            await waiting.begun.wait()
            call.cancel()
            with pytest.raises(StreamTerminatedError):
                await lost
        await asyncio.wait_for(waiting.cancelled.wait(), 10)
        assert (await other.execute(b"b", b"quick", creator=CREATOR)).payload == b"2"
        back = FakePeer()
        back.ledger.state["a"] = b"1"
        async with connected(back, channel):
            assert (await back.execute(b"a", b"quick", creator=CREATOR)).payload == b"1"


async def test_a_peers_errors_are_the_transactions_own() -> None:
    peer = FakePeer()
    peer.ledger.broken.add("a")
    async with running(OneContract(get)) as service, service.dial() as channel, connected(peer, channel):
        answers = await asyncio.gather(
            *(peer.execute(key, creator=CREATOR) for key in (b"a", b"b") for _ in range(50))
        )
    assert [answer.status for answer in answers] == [500] * 50 + [200] * 50


async def test_large_values_pass_and_too_large_ones_harm_nobody() -> None:
    large = bytes(60 * 1024 * 1024)

    async def contract(_: TransactionStub, args: Sequence[bytes]) -> bytes:
        return large * int(args[0])

    peer = FakePeer()
    async with (
        running(OneContract(contract)) as service,
        service.dial() as channel,
        connected(peer, channel),
    ):
        small, right, too_large = await asyncio.gather(
            *(peer.execute(b"%d" % times, creator=CREATOR) for times in (0, 1, 2))
        )
    assert (small.status, right.status, too_large.status) == (200, 200, 500)
    assert len(right.payload) == len(large)


async def test_stopping_lets_transactions_finish() -> None:
    waiting = Waiting()
    peer = FakePeer()
    peer.ledger.state["a"] = b"1"
    async with (
        running(OneContract(waiting)) as service,
        service.dial() as channel,
        connected(peer, channel) as call,
    ):
        at_work = asyncio.create_task(peer.execute(b"a", creator=CREATOR))
        await waiting.begun.wait()
        service.stop.set()
        with pytest.raises(TransactionFailedError, match="stopping"):
            await ask_on_and_on(peer)
        waiting.let_go.set()
        assert (await at_work).payload == b"1"
        assert await call.code() is grpc.StatusCode.OK


async def ask_on_and_on(peer: FakePeer) -> None:
    while True:  # ends when the service has heard that it is to stop
        await peer.execute(b"a", b"quick", creator=CREATOR)


async def test_health_is_told() -> None:
    async with running(OneContract(get)) as service, service.dial() as channel:
        for name in ("", "protos.Chaincode"):
            health = await HealthStub(channel).Check(HealthCheckRequest(service=name))
            assert health.status == HealthCheckResponse.SERVING


async def test_nobody_without_a_certificate_of_the_authority_may_connect() -> None:
    stranger = CertificateAuthority.create("tlsca.org9.example.com", "org9.example.com").issue_tls("peer0")
    async with running(OneContract(get)) as service:
        for certificate, key in ((None, None), (stranger.certificate_pem, stranger.key_pem)):
            async with dial(service.port, service.roots, certificate, key) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await HealthStub(channel).Check(HealthCheckRequest(), timeout=5)
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_an_address_that_is_taken() -> None:
    authority = CertificateAuthority.create("tlsca.org1.example.com", "org1.example.com")
    pair = authority.issue_tls("chaincode")
    tls = Tls(pair.certificate_pem, authority.root.certificate_pem, pair.key_pem)
    async with running(OneContract(get)) as service:
        settings = Settings(PACKAGE_ID, Address("127.0.0.1", service.port), lambda: tls, metrics=None)
        with pytest.raises(SettingsError, match=r"CHAINCODE_SERVER_ADDRESS: cannot listen on"):
            await serve(settings, OneContract(get), stop=asyncio.Event())
