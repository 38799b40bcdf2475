"""Which transactions are taken, and how they are cut into batches."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from veilmesh_fabric import SigningIdentity
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.config_request import ConfigUpdateRequest
from veilmesh_network.certificates import NodeRole
from veilmesh_network.channel_edits import with_batches, with_revocations
from veilmesh_network.embedded.channel import Channel
from veilmesh_network.embedded.config_updates import ConfigUpdates
from veilmesh_network.embedded.lifecycle import definition_transaction
from veilmesh_network.embedded.orderer import Orderer, OrderingError
from veilmesh_network.genesis import ChannelProfile, Consenter, genesis_block
from veilmesh_network.organisation import Organisation

_MAX_COUNT, _PREFERRED_BYTES, _LARGEST = 4, 40_000, 60_000


class Setup:
    """A channel of one member and an auditor, with small limits."""

    def __init__(self, folder: Path) -> None:
        self.member = Organisation.create(folder / "org1", "Org1MSP", "org1.example.com")
        self.auditor = Organisation.create(folder / "audit", "AuditMSP", "audit.example.com")
        orderer = Organisation.create(folder / "orderer", "OrdererMSP", "example.com")
        self.ordering_organisation = orderer
        tls = orderer.tls.issue_tls("orderer.example.com").certificate_pem
        profile = ChannelProfile(
            channel="veilmesh",
            members=[self.member],
            auditors=[self.auditor],
            orderer=orderer,
            consenters=[Consenter("127.0.0.1", 7050, tls, certificate=tls)],
            max_message_count=_MAX_COUNT,
            preferred_max_bytes=_PREFERRED_BYTES,
            absolute_max_bytes=_LARGEST,
        )
        block = genesis_block(profile).SerializeToString(deterministic=True)
        self.channel = Channel(ChannelConfig.from_block(block))
        self.orderer = SigningIdentity.from_msp_folder(
            orderer.issue("orderer", role=NodeRole.ORDERER).msp_dir, "OrdererMSP"
        )
        self.client = self.signer(self.member, "client")
        self.peer = SigningIdentity.from_msp_folder(
            self.member.issue("peer", role=NodeRole.PEER).msp_dir, "Org1MSP"
        )

    def ordering(self, now: Callable[[], datetime]) -> Orderer:
        return Orderer(self.channel, ConfigUpdates(self.channel, self.orderer, now), now)

    def signer(self, organisation: Organisation, name: str) -> SigningIdentity:
        files = organisation.issue(name, role=NodeRole.CLIENT)
        return SigningIdentity.from_msp_folder(files.msp_dir, organisation.msp_id)

    def envelope(
        self, creator: SigningIdentity | None = None, *, channel: str = "veilmesh", name: str = "kv"
    ) -> Any:
        """Return a signed transaction; its size grows with the chaincode's name."""
        return definition_transaction(
            name,
            "1.0",
            channel=channel,
            creator=creator or self.client,
            endorsers=[self.peer],
            at=datetime.now(UTC),
        )


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return Setup(tmp_path_factory.mktemp("orderer"))


@pytest.fixture
def orderer(setup: Setup) -> Orderer:
    return setup.ordering(lambda: datetime.now(UTC))


async def test_a_lone_transaction_waits_for_nothing(setup: Setup, orderer: Orderer) -> None:
    batch = asyncio.ensure_future(orderer.batch())
    await asyncio.sleep(0)
    assert not batch.done()
    envelope = setup.envelope()
    orderer.take(envelope)
    for _ in range(3):  # turns of the event loop; no time passes
        await asyncio.sleep(0)
    assert batch.done()
    assert batch.result() == [envelope.SerializeToString()]


async def test_a_batch_holds_no_more_than_the_channel_says(setup: Setup, orderer: Orderer) -> None:
    envelopes = [setup.envelope() for _ in range(_MAX_COUNT + 2)]
    for envelope in envelopes:
        orderer.take(envelope)
    batches = [await orderer.batch(), await orderer.batch()]
    assert [len(batch) for batch in batches] == [_MAX_COUNT, 2]
    assert [*batches[0], *batches[1]] == [envelope.SerializeToString() for envelope in envelopes]


async def test_a_batch_is_held_open_while_more_keep_coming(setup: Setup, orderer: Orderer) -> None:
    for _ in range(2):
        orderer.take(setup.envelope())
    assert len(await orderer.batch()) == 2
    late = setup.envelope()

    async def one_more() -> None:
        orderer.take(late)

    orderer.take(setup.envelope())
    batch = asyncio.create_task(orderer.batch())
    arriving = asyncio.create_task(one_more())  # its turn comes when the batch is being held open
    assert (await batch)[-1] == late.SerializeToString()
    await arriving


async def test_a_full_batch_is_not_held_open(
    setup: Setup, orderer: Orderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("veilmesh_network.embedded.orderer._LULL_PER_TRANSACTION_S", 3600)
    monkeypatch.setattr("veilmesh_network.embedded.orderer._LONGEST_LULL_S", 3600)
    for _ in range(2 * _MAX_COUNT):
        orderer.take(setup.envelope())
    assert [len(await orderer.batch()), len(await orderer.batch())] == [_MAX_COUNT, _MAX_COUNT]


async def test_a_batch_is_no_larger_than_preferred(setup: Setup, orderer: Orderer) -> None:
    large = setup.envelope(name="x" * 1600)
    assert _PREFERRED_BYTES / 3 < large.ByteSize() < _PREFERRED_BYTES / 2
    for _ in range(3):
        orderer.take(large)
    assert [len(await orderer.batch()), len(await orderer.batch())] == [2, 1]


async def test_what_was_taken_can_be_fetched_after_the_end(setup: Setup, orderer: Orderer) -> None:
    orderer.take(setup.envelope())
    orderer.close()
    assert len(await orderer.batch()) == 1
    assert await orderer.batch() == []
    with pytest.raises(OrderingError, match="is stopping") as refused:
        orderer.take(setup.envelope())
    assert refused.value.status == "SERVICE_UNAVAILABLE"


def _refused(orderer: Orderer, envelope: Any) -> tuple[str, str]:
    with pytest.raises(OrderingError) as refused:
        orderer.take(envelope)
    return refused.value.status, str(refused.value)


def test_who_may_not_write(setup: Setup, orderer: Orderer) -> None:
    reader = setup.envelope(setup.signer(setup.auditor, "reader"))
    status, said = _refused(orderer, reader)
    assert status == "FORBIDDEN"
    assert said.endswith("does not satisfy the policy /Channel/Writers: permission denied")


def test_a_signature_that_does_not_hold(setup: Setup, orderer: Orderer) -> None:
    envelope = setup.envelope()
    envelope.signature = setup.client.sign(b"something else")
    assert _refused(orderer, envelope)[0] == "FORBIDDEN"


def test_a_creator_that_has_expired(setup: Setup) -> None:
    late = setup.ordering(lambda: datetime.now(UTC) + timedelta(days=400))
    status, said = _refused(late, setup.envelope())
    assert (status, "expired" in said) == ("FORBIDDEN", True)


def test_another_channel(setup: Setup, orderer: Orderer) -> None:
    assert _refused(orderer, setup.envelope(channel="other")) == ("BAD_REQUEST", "channel does not exist")


def test_too_large(setup: Setup, orderer: Orderer) -> None:
    status, said = _refused(orderer, setup.envelope(name="x" * 20_000))
    assert status == "BAD_REQUEST"
    assert f"exceeds maximum allowed {_LARGEST} bytes" in said


def test_bytes_that_are_no_transaction(setup: Setup, orderer: Orderer) -> None:
    envelope = setup.envelope()
    envelope.payload = b"\xff" + envelope.payload
    assert _refused(orderer, envelope)[0] == "BAD_REQUEST"


class Changing:
    """A channel of its own, whose configuration changes while transactions wait."""

    def __init__(self, folder: Path) -> None:
        self.setup = Setup(folder)
        self.orderer = self.setup.ordering(lambda: datetime.now(UTC))

    def request(self, root: Any, signers: list[SigningIdentity]) -> Any:
        request = ConfigUpdateRequest.between(self.setup.channel.config, root)
        for signer in signers:
            request = request.signed_by(signer)
        return request.envelope(self.setup.client, datetime.now(UTC))

    def batches(self, count: int) -> Any:
        admin = SigningIdentity.from_msp_folder(
            self.setup.ordering_organisation.issue(f"admin{count}", role=NodeRole.ADMIN).msp_dir, "OrdererMSP"
        )
        return self.request(with_batches(self.setup.channel.config.root, max_message_count=count), [admin])

    def revocation(self, name: str) -> Any:
        member = self.setup.member
        admin = SigningIdentity.from_msp_folder(member.issue("admin", role=NodeRole.ADMIN).msp_dir, "Org1MSP")
        path = member.revoke([name])
        return self.request(
            with_revocations(self.setup.channel.config.root, "Org1MSP", [path.read_bytes()]), [admin]
        )

    def commit(self, batch: list[bytes]) -> None:
        """Do as the committer does with a configuration."""
        (envelope,) = batch
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
        config = ChannelConfig.from_envelope("veilmesh", payload.data)
        self.setup.channel.configure(config, self.setup.channel.config_block + 1)


@pytest.fixture
def changing(tmp_path: Path) -> Changing:
    return Changing(tmp_path)


async def test_a_configuration_stands_alone_in_its_batch(changing: Changing) -> None:
    before, after = changing.setup.envelope(), changing.setup.envelope()
    for envelope in (before, changing.batches(7), after):
        changing.orderer.take(envelope)
    assert await changing.orderer.batch() == [before.SerializeToString()]
    changing.commit(await changing.orderer.batch())
    assert changing.setup.channel.config.orderer.max_message_count == 7
    assert await changing.orderer.batch() == [after.SerializeToString()]


async def test_what_waits_is_looked_at_again_under_the_next_configuration(changing: Changing) -> None:
    leaver = changing.setup.signer(changing.setup.member, "leaver")
    changing.orderer.take(changing.revocation("leaver"))
    changing.orderer.take(changing.setup.envelope(leaver))
    staying = changing.setup.envelope()
    changing.orderer.take(staying)
    changing.commit(await changing.orderer.batch())
    assert await changing.orderer.batch() == [staying.SerializeToString()]


async def test_nothing_is_left_of_a_batch(changing: Changing) -> None:
    leaver = changing.setup.signer(changing.setup.member, "leaver")
    changing.orderer.take(changing.revocation("leaver"))
    changing.orderer.take(changing.setup.envelope(leaver))
    changing.commit(await changing.orderer.batch())
    waiting = asyncio.ensure_future(changing.orderer.batch())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    changing.orderer.close()
    assert await waiting == []


async def test_of_two_changes_of_one_value_the_second_is_left_out(changing: Changing) -> None:
    for count in (5, 6):
        changing.orderer.take(changing.batches(count))
    changing.commit(await changing.orderer.batch())
    changing.orderer.close()
    assert await changing.orderer.batch() == []
    assert changing.setup.channel.config.orderer.max_message_count == 5


def test_an_envelope_of_a_type_that_is_the_orderers_own(changing: Changing) -> None:
    envelope = changing.setup.envelope()
    payload = common_pb2.Payload.FromString(envelope.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    header.type = common_pb2.CONFIG
    payload.header.channel_header = header.SerializeToString()
    envelope.payload = payload.SerializeToString()
    envelope.signature = changing.setup.client.sign(envelope.payload)
    refused = ("BAD_REQUEST", "message is of type that cannot be processed directly")
    assert _refused(changing.orderer, envelope) == refused
