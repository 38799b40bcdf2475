"""Who may do what, and how a refusal is told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_fabric import (
    Cause,
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
from veilmesh_network.genesis import genesis_block
from veilmesh_network.network import Network

from tests.integration.ledger.key_value import KeyValue
from tests.integration.ledger.ledger import CHANNEL, Ledger, embedded


def _identity(pair: KeyPair, msp_id: str = "Org1MSP", *, at: datetime | None = None) -> SigningIdentity:
    return SigningIdentity.from_pem(msp_id, pair.certificate_pem, pair.key_pem, at=at)


async def test_an_auditor_reads(ledger: Ledger) -> None:
    await ledger.contract().submit("put", "key", "value")
    assert await ledger.contract("audit").evaluate("get", "key") == b"value"
    assert await ledger.contract("audit").evaluate("who") == b"AuditMSP auditor"
    assert len(await ledger.chain()) == 3


async def test_an_auditor_does_not_write(ledger: Ledger) -> None:
    endorsed = await ledger.contract("audit").endorse("put", "key", "value")
    with pytest.raises(SubmitError, match="status=FORBIDDEN") as refused:
        await endorsed.submit()
    assert refused.value.code.name == "ABORTED"


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
    ledger: Ledger, network: Network, stranger: Callable[[Network], SigningIdentity], cause: Cause
) -> None:
    identity = stranger(network)
    contract = ledger.contract_as(identity)
    with pytest.raises(EvaluateError) as not_evaluated:
        await contract.evaluate("get", "key")
    with pytest.raises(EndorseError) as not_endorsed:
        await contract.submit("put", "key", "value")
    assert (not_evaluated.value.cause, not_endorsed.value.cause) == (cause, cause)
    with pytest.raises(DeliverError) as refused:
        async for _ in blocks(ledger.connection, identity, CHANNEL, stop="newest"):
            pass
    assert refused.value.status == "FORBIDDEN"
    with pytest.raises(DeliverError, match="PERMISSION_DENIED"):
        async for _ in contract.chaincode_events():
            pass


async def test_a_certificate_revoked_before_the_channel_was_founded(tmp_path: Path) -> None:
    network = Network.create(tmp_path / "network", members=1)
    member = network.members[0]
    files = member.issue("leaver", role=NodeRole.CLIENT)
    member.revoke(["leaver"])
    network.channel_block.write_bytes(genesis_block(network.channel_profile()).SerializeToString())
    async with embedded(network, tmp_path / "ledger.db", KeyValue()) as ledger:
        leaver = SigningIdentity.from_msp_folder(files.msp_dir, member.msp_id)
        with pytest.raises(EvaluateError, match="revoked"):
            await ledger.contract_as(leaver).evaluate("get", "key")
        await ledger.contract().submit("put", "key", "value")
        await ledger.verify()


async def test_a_signature_of_another_key(ledger: Ledger) -> None:
    contract = ledger.contract("org1")
    forged = contract.propose("get", "key").sign(ledger.identities["org2"])
    with pytest.raises(EvaluateError, match=r"signature of .* does not hold"):
        await contract._session.calls.evaluate(forged)


async def test_attributes_reach_the_contract(ledger: Ledger) -> None:
    assert await ledger.contract("org2").evaluate("who") == b"Org2MSP operator"


class _OtherClock(SystemClock):
    def __init__(self, off: timedelta) -> None:
        self._off = off

    def now(self) -> datetime:
        return super().now() + self._off


@pytest.mark.parametrize("off_s", [-75, 75])
async def test_a_clock_that_is_a_minute_off_is_refused(ledger: Ledger, off_s: int) -> None:
    clock = _OtherClock(timedelta(seconds=off_s))
    contract = Gateway(ledger.connection, ledger.identities["org1"], clock=clock).contract(CHANNEL, "kv")
    with pytest.raises(EndorseError) as refused:
        await contract.submit("put", "key", "value")
    refusal = Refusal.from_message(refused.value.details[0].message)
    assert refusal is not None
    assert refusal.code is RefusalCode.CLOCK_SKEW


async def test_a_clock_that_is_half_a_minute_off_is_not(ledger: Ledger) -> None:
    clock = _OtherClock(timedelta(seconds=-30))
    contract = Gateway(ledger.connection, ledger.identities["org1"], clock=clock).contract(CHANNEL, "kv")
    await contract.submit("put", "key", "value")
