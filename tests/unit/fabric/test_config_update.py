"""A configuration follows from the one before it, or is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.errors import DecodeError, VerificationError
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.verification import verify_blocks

from tests.unit.fabric.forge import VALID, Channel, Writes, serialized, signed_envelope
from tests.unit.fabric.recorded import recorded


@pytest.fixture
def channel() -> Channel:
    channel = Channel()
    channel.add(channel.definition())
    return channel


def batch_size(count: int) -> Callable[[Any], None]:
    def change(root: Any) -> None:
        value = root.groups["Orderer"].values["BatchSize"]
        size = orderer_pb2.BatchSize.FromString(value.value)
        size.max_message_count = count
        value.value = serialized(size)
        value.version += 1

    return change


def remove_member(name: str) -> Callable[[Any], None]:
    def change(root: Any) -> None:
        application = root.groups["Application"]
        del application.groups[name]
        application.version += 1

    return change


def violation(channel: Channel) -> VerificationError:
    report = verify_blocks(channel.blocks)
    assert report.violation is not None
    return report.violation


def refused(channel: Channel, envelope: Any) -> str:
    channel.add_config(envelope)
    found = violation(channel)
    assert found.rule == Rule.CONFIG_UPDATE, str(found)
    return found.message


def test_update_by_the_orderer_admin_is_followed(channel: Channel) -> None:
    channel.add_config(channel.config_update(batch_size(7), [channel.orderer_admin]))
    channel.add(channel.transaction(Writes(writes={"a": b"1"})))
    report = verify_blocks(channel.blocks)
    assert report.violation is None
    assert report.transactions["CONFIG", "VALID"] == 2
    assert ChannelConfig.from_block(channel.blocks[2]).orderer.max_message_count == 7
    assert ChannelConfig.from_block(channel.blocks[2]).sequence == 1


def test_two_updates_follow_each_other(channel: Channel) -> None:
    for count in (7, 9):
        channel.add_config(channel.config_update(batch_size(count), [channel.orderer_admin]))
    assert verify_blocks(channel.blocks).holds


def test_removed_member_is_no_member_any_more(channel: Channel) -> None:
    channel.add(channel.transaction(Writes(writes={"a": b"1"}), creator=channel.clients[2]))
    channel.add_config(channel.config_update(remove_member("Org3MSP"), channel.admins[:2]))
    channel.add(channel.transaction(Writes(writes={"a": b"2"})))
    assert verify_blocks(channel.blocks).holds
    channel.add(channel.transaction(Writes(writes={"a": b"3"}), creator=channel.clients[2]))
    found = violation(channel)
    assert found.rule == Rule.CREATOR
    assert "MSP 'Org3MSP' is not one of this channel's" in found.message


def test_blocks_must_name_the_new_configuration(channel: Channel) -> None:
    channel.add_config(channel.config_update(batch_size(7), [channel.orderer_admin]))
    channel.config_block = 0
    channel.add(channel.transaction(Writes(writes={"a": b"1"})))
    assert violation(channel).rule == Rule.LAST_CONFIG


@pytest.mark.parametrize("signers", ["nobody", "a member's admin", "an orderer", "a stranger"])
def test_consent_is_needed(channel: Channel, signers: str) -> None:
    people = {
        "nobody": [],
        "a member's admin": channel.admins[:1],
        "an orderer": [channel.orderer],
        "a stranger": [Channel().orderer_admin],
    }[signers]
    message = refused(channel, channel.config_update(batch_size(7), people))
    assert "change of /Channel/Orderer/BatchSize wants" in message


def test_majority_of_admins_is_needed(channel: Channel) -> None:
    message = refused(channel, channel.config_update(remove_member("Org3MSP"), channel.admins[:1]))
    assert "admin.org1.example.com of Org1MSP signed" in message


def test_one_admin_does_not_count_twice(channel: Channel) -> None:
    refused(channel, channel.config_update(remove_member("Org3MSP"), channel.admins[:1] * 2))


def test_signature_over_another_update_does_not_count(channel: Channel) -> None:
    other = _opened(channel.config_update(batch_size(9), [channel.orderer_admin]))
    mine = _opened(channel.config_update(batch_size(7), []))
    mine.update.signatures.extend(other.update.signatures)
    assert "nobody signed" in refused(channel, mine.closed(channel))


class _opened:  # noqa: N801 - read as a verb
    """A CONFIG envelope opened down to its `ConfigUpdateEnvelope`."""

    def __init__(self, envelope: Any) -> None:
        self.payload = common_pb2.Payload.FromString(envelope.payload)
        self.config = configtx_pb2.ConfigEnvelope.FromString(self.payload.data)
        self.request = common_pb2.Payload.FromString(self.config.last_update.payload)
        self.update = configtx_pb2.ConfigUpdateEnvelope.FromString(self.request.data)

    def closed(self, channel: Channel) -> Any:
        self.request.data = serialized(self.update)
        self.config.last_update.payload = serialized(self.request)
        self.payload.data = serialized(self.config)
        return signed_envelope(self.payload, channel.orderer)


CHANGES: dict[str, tuple[Callable[[_opened], None], str]] = {
    "sequence kept": (lambda it: setattr(it.config.config, "sequence", 0), "sequence 0 does not follow 0"),
    "sequence skipped": (lambda it: setattr(it.config.config, "sequence", 2), "sequence 2 does not follow 0"),
    "result with more in it": (
        lambda it: it.config.config.channel_group.values["More"].SetInParent(),
        "not what the signed update leads to",
    ),
    "result with less in it": (
        lambda it: it.config.config.channel_group.groups["Application"].groups.pop("Org3MSP"),
        "not what the signed update leads to",
    ),
    "result with another value": (
        lambda it: setattr(it.config.config.channel_group.values["HashingAlgorithm"], "value", b"x"),
        "not what the signed update leads to",
    ),
    "result with another version": (
        lambda it: setattr(it.config.config.channel_group, "version", 5),
        "not what the signed update leads to",
    ),
    "no request": (lambda it: it.request.ClearField("header"), "of type 0 for channel ''"),
    "request garbled": (lambda it: setattr(it.update, "config_update", b"\xff"), "config update is not a"),
    "request empty": (lambda it: it.update.ClearField("config_update"), "update is for channel ''"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_configuration(channel: Channel, name: str) -> None:
    change, message = CHANGES[name]
    opened = _opened(channel.config_update(batch_size(7), [channel.orderer_admin]))
    change(opened)
    assert message in refused(channel, opened.closed(channel))


UPDATES: dict[str, tuple[Callable[[Any], None], str]] = {
    "for another channel": (lambda update: setattr(update, "channel_id", "other"), "is for channel 'other'"),
    "based on an old version": (
        lambda update: setattr(update.read_set, "version", 3),
        "based on version 3 of /Channel, which is at 0",
    ),
    "based on what does not exist": (
        lambda update: update.read_set.groups["Nope"].SetInParent(),
        "/Channel/Nope, which does not exist",
    ),
    "without change": (
        lambda update: update.write_set.groups["Orderer"].values["BatchSize"].ClearField("version"),
        "changes nothing",
    ),
    "version skipped": (
        lambda update: setattr(update.write_set.groups["Orderer"].values["BatchSize"], "version", 2),
        "goes from version 0 to 2",
    ),
    "new element above version 0": (
        lambda update: update.write_set.values["New"].MergeFrom(
            configtx_pb2.ConfigValue(version=1, mod_policy="Admins")
        ),
        "new element /Channel/New starts at version 1",
    ),
    "element without policy for its change": (
        lambda update: update.write_set.values["New"].SetInParent(),
        "/Channel/New names no policy",
    ),
}


@pytest.mark.parametrize("name", UPDATES)
def test_update_that_may_not_be(channel: Channel, name: str) -> None:
    change, message = UPDATES[name]
    opened = _opened(channel.config_update(batch_size(7), []))
    update = configtx_pb2.ConfigUpdate.FromString(opened.update.config_update)
    change(update)
    opened.update.config_update = serialized(update)
    admin = channel.orderer_admin
    header = serialized(common_pb2.SignatureHeader(creator=admin.creator, nonce=b"n" * 24))
    opened.update.signatures.add(
        signature_header=header, signature=admin.sign(header + opened.update.config_update)
    )
    assert message in refused(channel, opened.closed(channel))


def test_configuration_shares_its_block_with_nothing(channel: Channel) -> None:
    update = channel.config_update(batch_size(7), [channel.orderer_admin])
    channel.add(update, channel.transaction(Writes(writes={"a": b"1"})), codes=[VALID, VALID])
    found = violation(channel)
    assert found.rule == Rule.CONFIG_UPDATE
    assert "shares its block" in found.message


def test_configuration_from_somebody_outside(channel: Channel) -> None:
    opened = _opened(channel.config_update(batch_size(7), [channel.orderer_admin]))
    stranger = Channel().orderer
    header = common_pb2.SignatureHeader(creator=stranger.creator, nonce=b"n" * 24)
    opened.payload.header.signature_header = serialized(header)
    channel.add_config(signed_envelope(opened.payload, stranger))
    assert violation(channel).rule == Rule.CREATOR


@pytest.mark.parametrize(
    ("folder", "consensus", "consenters", "quorum"), [("raft", "etcdraft", 0, 0), ("smartbft", "BFT", 4, 3)]
)
def test_recorded_configuration(folder: str, consensus: str, consenters: int, quorum: int) -> None:
    config = ChannelConfig.from_block(recorded(folder).blocks[0])
    assert (config.channel_id, config.sequence) == ("ch1", 0)
    assert config.capabilities == {"V3_0"}
    assert config.orderer.consensus_type == consensus
    assert len(config.orderer.consenters) == consenters
    assert config.orderer.quorum == quorum
    assert [each.msp_id for each in config.application.organizations] == ["Org1MSP", "Org2MSP", "Org3MSP"]
    assert all(each.anchor_peers for each in config.application.organizations)
    assert set(config.msps) == {"Org1MSP", "Org2MSP", "Org3MSP", "OrdererMSP"}


def test_block_without_configuration() -> None:
    with pytest.raises(DecodeError, match="no CONFIG transaction"):
        ChannelConfig.from_block(recorded("raft").blocks[1])


@pytest.mark.parametrize(
    "remove",
    [
        lambda root: root.groups.pop("Orderer"),
        lambda root: root.groups.pop("Application"),
        lambda root: root.groups["Orderer"].values.pop("ConsensusType"),
        lambda root: root.groups["Orderer"].values.pop("Orderers"),
        lambda root: root.groups["Application"].groups["Org1MSP"].values.pop("MSP"),
        lambda root: setattr(root.groups["Application"].groups["Org1MSP"].values["MSP"], "value", b"\xff"),
        lambda root: setattr(root.groups["Application"].groups["Org1MSP"].values["MSP"], "value", b""),
    ],
    ids=["orderers", "application", "consensus", "consenters", "MSP", "MSP garbled", "MSP empty"],
)
def test_incomplete_configuration(remove: Callable[[Any], None]) -> None:
    block = common_pb2.Block.FromString(recorded("smartbft").blocks[0])
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
    config = configtx_pb2.ConfigEnvelope.FromString(payload.data).config
    remove(config.channel_group)
    with pytest.raises(DecodeError):
        ChannelConfig.from_proto("ch1", config)
