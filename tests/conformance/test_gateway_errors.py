"""What goes wrong between client and ledger: told alike by both ledgers, and so that one can act on it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from veilmesh_chaincode.records.refusals import RefusalCode
from veilmesh_chaincode.records.registry import ApproveModel, Consortium, NodeId
from veilmesh_fabric import (
    Cause,
    CommitStatusError,
    Deadlines,
    DeliverError,
    EndorseError,
    EvaluateError,
    Gateway,
    GatewayAddress,
    GatewayError,
    Gateways,
    RetryPolicy,
    SigningIdentity,
    SystemClock,
    TlsClient,
    blocks,
    connect,
)
from veilmesh_network import running
from veilmesh_network.certificates import CertificateAuthority, KeyPair, NodeRole, Validity
from veilmesh_network.loopback import free_port
from veilmesh_network.network import Network
from veilmesh_node.errors import LedgerRejectedError, LedgerUnavailableError
from veilmesh_node.ledger import failure_in, refusal_in

from tests.conformance.releases import release_of, told
from tests.fabric_network import FabricNetwork, found_consortium, running_network

ONCE = RetryPolicy(attempts=1, conflict_attempts=1)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def embedded_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricNetwork]:
    folder = tmp_path_factory.mktemp("embedded") / "network"
    up = running.up(folder, port=free_port())
    yield FabricNetwork(up.network)
    running.down(folder)


@pytest.fixture(scope="module", params=["embedded", "fabric"])
def network(request: pytest.FixtureRequest) -> FabricNetwork:
    found: FabricNetwork = request.getfixturevalue(f"{request.param}_network")
    return found


def _identity(pair: KeyPair, msp_id: str = "Org1MSP", *, at: datetime | None = None) -> SigningIdentity:
    return SigningIdentity.from_pem(msp_id, pair.certificate_pem, pair.key_pem, at=at)


def _of_another_authority(network: Network) -> SigningIdentity:
    del network
    stranger = CertificateAuthority.create("ca.org1.example.com", "org1.example.com")
    return _identity(stranger.issue_signing("user.org1.example.com", role=NodeRole.CLIENT))


def _of_another_organisation(network: Network) -> SigningIdentity:
    return _identity(network.members[1].signing.issue_signing("user.org2", role=NodeRole.CLIENT))


def _of_an_unknown_organisation(network: Network) -> SigningIdentity:
    return _identity(network.members[0].signing.issue_signing("user.org1", role=NodeRole.CLIENT), "Org9MSP")


def _expired(network: Network) -> SigningIdentity:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    validity = Validity(start, start + timedelta(days=1))
    pair = network.members[0].signing.issue_signing("late.org1", role=NodeRole.CLIENT, validity=validity)
    return _identity(pair, at=start)


@pytest.mark.parametrize(
    ("stranger", "cause"),
    [
        (_of_another_authority, Cause.UNKNOWN_ISSUER),
        (_of_another_organisation, Cause.UNKNOWN_ISSUER),
        (_of_an_unknown_organisation, Cause.UNKNOWN_ISSUER),
        (_expired, Cause.EXPIRED),
    ],
)
async def test_a_stranger_is_told_why(
    network: FabricNetwork, stranger: Callable[[Network], SigningIdentity], cause: Cause
) -> None:
    identity = stranger(network.network)
    expected = told(cause, release_of(network.network))
    async with network.contract("Org1MSP", identity, retry=ONCE) as contract:
        for call, kind in (
            (contract.evaluate("policy:Current"), EvaluateError),
            (contract.submit("registry:ApproveNode", NodeId(node_id="n").to_bytes()), EndorseError),
        ):
            with pytest.raises(kind) as caught:
                await call
            assert isinstance(caught.value, GatewayError)
            assert caught.value.cause is expected
            assert isinstance(failure := failure_in(caught.value), LedgerRejectedError)
            assert expected.advice in str(failure)
        with pytest.raises(CommitStatusError) as unanswered:
            await contract.commit_status("00")
        assert (unanswered.value.cause, unanswered.value.code.name) == (
            Cause.TURNED_AWAY,
            "PERMISSION_DENIED",
        )
        with pytest.raises(DeliverError) as no_events:
            await anext(contract.chaincode_events(start_block=0))
        assert no_events.value.status == "PERMISSION_DENIED"
    async with connect(network.network.gateways("Org1MSP")[0], network.tls_roots) as channel:
        with pytest.raises(DeliverError, match="may not read the channel") as no_blocks:
            await anext(blocks(channel, identity, network.network.channel, stop="newest"))
        assert no_blocks.value.status == "FORBIDDEN"


async def test_the_chaincodes_no_is_the_same_refusal(network: FabricNetwork) -> None:
    await found_consortium(network)
    async with network.contract("Org1MSP") as contract:
        request = NodeId(node_id="nobody").to_bytes()
        for call in (
            contract.evaluate("registry:GetNode", request),
            contract.endorse("registry:ApproveNode", request),
        ):
            with pytest.raises(GatewayError) as caught:
                await call
            assert caught.value.cause is Cause.CONTRACT
            refusal = refusal_in(caught.value)
            assert refusal is not None
            assert refusal.code is RefusalCode.NOT_FOUND
        with pytest.raises(EvaluateError) as unknown:
            await contract.evaluate("policy:Nothing")
        refusal = refusal_in(unknown.value)
        assert refusal is not None
        assert refusal.code is RefusalCode.UNKNOWN_FUNCTION


class _OtherClock(SystemClock):
    def __init__(self, off_s: float) -> None:
        self._off = timedelta(seconds=off_s)

    def now(self) -> datetime:
        return super().now() + self._off


@pytest.mark.parametrize("off_s", [-75, 75, 3600])
async def test_a_clock_that_is_off_is_one_refusal(network: FabricNetwork, off_s: float) -> None:
    """Fabric's peer refuses what is a quarter of an hour off before its chaincode could."""
    async with connect(network.network.gateways("Org1MSP")[0], network.tls_roots) as channel:
        gateway = Gateway(channel, network.identity("Org1MSP"), clock=_OtherClock(off_s), retry=ONCE)
        contract = gateway.contract(network.network.channel, network.network.chaincode)
        for call in (contract.evaluate("policy:Current"), contract.submit("registry:ApproveNode", b"{}")):
            with pytest.raises(GatewayError) as caught:
                await call
            refusal = refusal_in(caught.value)
            assert refusal is not None, caught.value
            assert refusal.code is RefusalCode.CLOCK_SKEW
            assert "time" in refusal.message


async def test_a_message_above_the_limit(network: FabricNetwork) -> None:
    size = 101 * MIB
    deadlines = Deadlines(evaluate_s=60)
    async with connect(
        network.network.gateways("Org1MSP")[0], network.tls_roots, max_message_bytes=2 * size
    ) as channel:
        gateway = Gateway(channel, network.identity("Org1MSP"), retry=ONCE, deadlines=deadlines)
        with pytest.raises(EvaluateError) as caught:
            await gateway.contract(network.network.channel, network.network.chaincode).evaluate(
                "policy:Current", bytes(size)
            )
    assert caught.value.cause is Cause.TOO_LARGE
    assert isinstance(failure_in(caught.value), LedgerRejectedError)


@pytest.mark.parametrize(("channel", "chaincode"), [("elsewhere", "veilmesh"), ("veilmesh", "nothing")])
async def test_what_is_not_there(network: FabricNetwork, channel: str, chaincode: str) -> None:
    """A peer that has just joined cannot be told from one that never will."""
    missing = channel if channel == "elsewhere" else chaincode
    async with network.gateway("Org1MSP", retry=ONCE) as gateway:
        contract = gateway.contract(channel, chaincode)
        for call in (contract.evaluate("get"), contract.endorse("put")):
            with pytest.raises(GatewayError, match=missing) as caught:
                await call
            assert isinstance(failure_in(caught.value), LedgerUnavailableError)


async def test_a_server_that_is_not_trusted_or_has_another_name(network: FabricNetwork) -> None:
    stranger = CertificateAuthority.create("tlsca.org9.example.com", "org9.example.com")
    address = network.network.gateways("Org1MSP")[0]
    identity = network.identity("Org1MSP")
    for where, roots, said in (
        (
            GatewayAddress(address),
            stranger.root.certificate_pem,
            "which the TLS roots given here do not hold",
        ),
        (GatewayAddress(address, "peer7.example.com"), network.tls_roots, "not for 'peer7.example.com'"),
    ):
        tls = TlsClient(roots)
        async with Gateways.dial([where], lambda tls=tls: tls) as gateways:  # type: ignore[misc]  # bound here
            contract = Gateway(gateways, identity, retry=ONCE).contract(network.network.channel, "veilmesh")
            with pytest.raises(EvaluateError, match=said):
                await contract.evaluate("policy:Current")


@pytest.fixture(scope="module")
def own_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FabricNetwork]:
    """A network of real peers that may be stopped."""
    with running_network(tmp_path_factory.mktemp("stopped") / "network") as network:
        yield network


@contextmanager
def stopped(network: FabricNetwork, *organisations: str) -> Iterator[None]:
    """Stop these organisations' peers, and let them go on at the end."""
    pids = [network.pid(f"peer0.{name}.example.com") for name in organisations]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True, slots=True)
class Client:
    """A client that knows all members' gateways, its own first."""

    gateways: Gateways
    gateway: Gateway


@asynccontextmanager
async def client(network: FabricNetwork) -> AsyncIterator[Client]:
    addresses = [GatewayAddress.parse(each) for each in network.network.gateways("Org1MSP")]
    deadlines = Deadlines(evaluate_s=3, endorse_s=6, submit_s=3, commit_status_s=30)
    async with Gateways.dial(addresses, TlsClient.in_files(network.network.tls_roots)) as gateways:
        yield Client(gateways, Gateway(gateways, network.identity("Org1MSP"), deadlines=deadlines))


async def test_a_peer_that_hangs_is_passed_over_and_come_back_to(own_network: FabricNetwork) -> None:
    await found_consortium(own_network)
    channel, chaincode = own_network.network.channel, own_network.network.chaincode
    async with client(own_network) as org1:
        contract = org1.gateway.contract(channel, chaincode)
        async with aclosing(contract.chaincode_events(start_block=0)) as events:
            first = await anext(events)
            with stopped(own_network, "org1"):
                consortium = Consortium.from_bytes(await contract.evaluate("registry:GetConsortium"))
                assert consortium.members == own_network.members
                assert org1.gateways.away == [own_network.network.gateways("Org1MSP")[0]]
                height = await org1.gateway.height(channel)
                assert len([block async for block in org1.gateway.blocks(channel, stop=height - 1)]) == height
            async with asyncio.timeout(60):
                while org1.gateways.away:  # noqa: ASYNC110 - it comes back on its own time
                    await asyncio.sleep(0.2)
            await contract.evaluate("registry:GetConsortium")
        assert first.chaincode_name == chaincode


async def test_too_many_peers_away_is_no_rejection(own_network: FabricNetwork) -> None:
    """At first the gateway waits for the others; once it knows that they are gone, it finds no plan."""
    await found_consortium(own_network)
    request = ApproveModel(model_digest="0" * 64, name="a model").to_bytes()
    deadlines = Deadlines(endorse_s=5)
    own = own_network.network.gateways("Org1MSP")[0]
    codes = []
    async with connect(own, own_network.tls_roots) as channel, asyncio.timeout(90):
        gateway = Gateway(channel, own_network.identity("Org1MSP"), retry=ONCE, deadlines=deadlines)
        contract = gateway.contract(own_network.network.channel, own_network.network.chaincode)
        with stopped(own_network, "org2", "org3"):
            while "FAILED_PRECONDITION" not in codes:
                with pytest.raises(EndorseError) as caught:
                    await contract.endorse("registry:ApproveModel", request)
                assert isinstance(failure_in(caught.value), LedgerUnavailableError), caught.value
                codes.append(caught.value.code.name)
        patient = Gateway(channel, own_network.identity("Org1MSP"), retry=RetryPolicy(attempts=50))
        contract = patient.contract(own_network.network.channel, own_network.network.chaincode)
        assert (await contract.endorse("registry:ApproveModel", request)).result
    assert codes[0] == "DEADLINE_EXCEEDED"
