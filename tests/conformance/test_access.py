"""Who may do what on the channel, and how a refusal is told; contracts are `test_contract_access.py`'s."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_fabric import (
    Cause,
    CommitStatusError,
    DeliverError,
    EndorseError,
    EvaluateError,
    Gateway,
    SigningIdentity,
    SubmitError,
    SystemClock,
    blocks,
)
from veilmesh_network.certificates import CertificateAuthority, KeyPair, NodeRole, Validity
from veilmesh_network.fabric.binaries import Release
from veilmesh_network.network import Network
from veilmesh_node.ledger import refusal_in

from tests.conformance.releases import release_of, told
from tests.integration.ledger.ledger import CHANNEL, ONCE, Ledger


def _identity(pair: KeyPair, msp_id: str = "Org1MSP", *, at: datetime | None = None) -> SigningIdentity:
    return SigningIdentity.from_pem(msp_id, pair.certificate_pem, pair.key_pem, at=at)


async def test_an_auditor_reads(ledger: Ledger, fresh: str) -> None:
    submitted = await ledger.contract().submit("put", fresh, "value")
    auditor = ledger.contract("audit")
    assert await auditor.evaluate("get", fresh) == b"value"
    assert await auditor.evaluate("who") == b"AuditMSP auditor"
    assert (await auditor.commit_status(submitted.tx_id)).valid
    assert len(await ledger.chain()) == submitted.block_number + 1
    events = auditor.chaincode_events(start_block=submitted.block_number)
    assert (await anext(events)).tx_id == submitted.tx_id
    await events.aclose()


async def test_an_auditor_does_not_write(ledger: Ledger, fresh: str) -> None:
    endorsed = await ledger.contract("audit").endorse("put", fresh, "value")
    with pytest.raises(SubmitError) as refused:
        await endorsed.submit()
    assert refused.value.code is grpc.StatusCode.ABORTED
    assert refused.value.cause is Cause.TURNED_AWAY
    assert "FORBIDDEN" in str(refused.value)
    assert "/Channel/Writers" in str(refused.value) or "'Writers'" in str(refused.value)
    assert await ledger.contract().evaluate("get", fresh) == b""


async def test_an_auditor_does_not_sign_what_a_member_proposed(ledger: Ledger, fresh: str) -> None:
    """Nor the reverse: the signature has to be the creator's."""
    gateway = Gateway(ledger.connection, ledger.identities["org1"])
    for proposer, signer in (("org1", "audit"), ("org1", "org2"), ("audit", "org1")):
        identity = ledger.identities[proposer]
        proposal = ledger.contract(proposer).propose("put", fresh, "value")
        prepared = await gateway.calls.endorse(proposal.sign(identity))
        with pytest.raises(SubmitError) as refused:
            await gateway.calls.submit(prepared.sign(ledger.identities[signer]))
        assert refused.value.cause is Cause.TURNED_AWAY
    assert await ledger.contract().evaluate("get", fresh) == b""


def _foreign(network: Network) -> SigningIdentity:
    del network
    stranger = CertificateAuthority.create("ca.org1.example.com", "org1.example.com")
    return _identity(stranger.issue_signing("user.org1.example.com", role=NodeRole.CLIENT))


def _expired(network: Network) -> SigningIdentity:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    pair = network.members[0].signing.issue_signing(
        "late.org1.example.com", role=NodeRole.CLIENT, validity=Validity(start, start + timedelta(days=1))
    )
    return _identity(pair, at=start)


def _of_another_organisation(network: Network) -> SigningIdentity:
    pair = network.members[1].signing.issue_signing("user.org2.example.com", role=NodeRole.CLIENT)
    return _identity(pair, "Org1MSP")


def _of_no_organisation(network: Network) -> SigningIdentity:
    pair = network.members[0].signing.issue_signing("user.org1.example.com", role=NodeRole.CLIENT)
    return _identity(pair, "Org9MSP")


@pytest.mark.parametrize(
    ("stranger", "cause"),
    [
        (_foreign, Cause.UNKNOWN_ISSUER),
        (_expired, Cause.EXPIRED),
        (_of_another_organisation, Cause.UNKNOWN_ISSUER),
        (_of_no_organisation, Cause.UNKNOWN_ISSUER),
    ],
)
async def test_whoever_is_no_member_gets_nothing(
    ledger: Ledger, network: Network, fresh: str, stranger: Callable[[Network], SigningIdentity], cause: Cause
) -> None:
    identity = stranger(network)
    contract = ledger.contract_as(identity, retry=ONCE)
    with pytest.raises(EvaluateError) as not_evaluated:
        await contract.evaluate("get", fresh)
    with pytest.raises(EndorseError) as not_endorsed:
        await contract.submit("put", fresh, "value")
    expected = told(cause, release_of(network))
    assert (not_evaluated.value.cause, not_endorsed.value.cause) == (expected, expected)
    with pytest.raises(DeliverError) as refused:
        async for _ in blocks(ledger.connection, identity, CHANNEL, stop="newest"):
            pass
    assert refused.value.status == "FORBIDDEN"
    with pytest.raises(DeliverError, match="PERMISSION_DENIED"):
        async for _ in contract.chaincode_events():
            pass
    with pytest.raises(CommitStatusError) as not_told:
        await contract.commit_status("0" * 64)
    assert not_told.value.code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_proposal_that_another_signed(ledger: Ledger, fresh: str) -> None:
    gateway = Gateway(ledger.connection, ledger.identities["org1"])
    forged = gateway.contract(CHANNEL, "kv").propose("put", fresh, "value").sign(ledger.identities["org2"])
    with pytest.raises(EvaluateError) as not_evaluated:
        await gateway.calls.evaluate(forged)
    with pytest.raises(EndorseError) as not_endorsed:
        await gateway.calls.endorse(forged)
    for refused in (not_evaluated.value, not_endorsed.value):
        assert refused.cause is Cause.TURNED_AWAY
        assert "access denied: channel [veilmesh] creator org [Org1MSP]" in refused.details[0].message
    codes = (not_evaluated.value.code, not_endorsed.value.code)
    assert codes == (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED)


async def test_attributes_reach_the_contract(ledger: Ledger) -> None:
    assert await ledger.contract("org2").evaluate("who") == b"Org2MSP operator"


class _OtherClock(SystemClock):
    def __init__(self, off: timedelta) -> None:
        self._off = off

    def now(self) -> datetime:
        return super().now() + self._off


@pytest.mark.parametrize("off_s", [-75, 75])
async def test_a_clock_that_is_a_minute_off_is_refused(ledger: Ledger, fresh: str, off_s: int) -> None:
    clock = _OtherClock(timedelta(seconds=off_s))
    contract = Gateway(ledger.connection, ledger.identities["org1"], clock=clock).contract(CHANNEL, "kv")
    with pytest.raises(EndorseError) as refused:
        await contract.submit("put", fresh, "value")
    refusal = Refusal.from_message(refused.value.details[0].message)
    assert refusal is not None
    assert refusal.code is RefusalCode.CLOCK_SKEW
    assert refused.value.cause is Cause.CONTRACT


@pytest.mark.parametrize("off_min", [-20, 20])
async def test_a_clock_that_is_twenty_minutes_off_gets_nothing(
    ledger: Ledger, network: Network, fresh: str, off_min: int
) -> None:
    """The peers themselves look for a quarter of an hour; Fabric 2.5's do not, there the contract refuses."""
    clock = _OtherClock(timedelta(minutes=off_min))
    gateway = Gateway(ledger.connection, ledger.identities["org1"], clock=clock, retry=ONCE)
    with pytest.raises(EvaluateError) as not_evaluated:
        await gateway.contract(CHANNEL, "kv").evaluate("get", fresh)
    with pytest.raises(EndorseError) as not_endorsed:
        await gateway.contract(CHANNEL, "kv").submit("put", fresh, "value")
    by_contract = release_of(network) is Release.V2_5
    cause = Cause.CONTRACT if by_contract else Cause.CLOCK_SKEW
    assert not_evaluated.value.cause is not_endorsed.value.cause is cause
    code = grpc.StatusCode.UNKNOWN if by_contract else grpc.StatusCode.UNAVAILABLE
    assert not_evaluated.value.code is code
    assert not_endorsed.value.code is grpc.StatusCode.ABORTED
    for refused in (not_evaluated.value, not_endorsed.value):
        refusal = refusal_in(refused)
        assert refusal is not None
        assert refusal.code is RefusalCode.CLOCK_SKEW


async def test_a_clock_that_is_half_a_minute_off_is_not(ledger: Ledger, fresh: str) -> None:
    clock = _OtherClock(timedelta(seconds=-30))
    contract = Gateway(ledger.connection, ledger.identities["org1"], clock=clock).contract(CHANNEL, "kv")
    await contract.submit("put", fresh, "value")


async def test_a_contract_sees_the_clients_time(ledger: Ledger) -> None:
    """The proposal's: the same for every endorser, whatever its own clock says."""
    before = int(datetime.now(UTC).timestamp())
    channel, tx_id, timestamp_s = (await ledger.contract().evaluate("when")).decode().split()
    assert channel == CHANNEL
    assert len(bytes.fromhex(tx_id)) == 32
    assert before <= int(timestamp_s) <= datetime.now(UTC).timestamp()
