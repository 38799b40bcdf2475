"""The first block: a channel that Fabric would accept, and the policies it is meant to have."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from veilmesh_fabric.block import data_hash
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.policy import (
    APPLICATION_READERS_POLICY,
    BLOCK_VALIDATION_POLICY,
    CHANNEL_WRITERS_POLICY,
    ENDORSEMENT_POLICY,
    LIFECYCLE_ENDORSEMENT_POLICY,
)
from veilmesh_network.certificates import NodeRole
from veilmesh_network.genesis import ChannelProfile, Consenter, genesis_block
from veilmesh_network.organisation import Organisation

_RECORDED = Path(__file__).parents[2] / "vectors" / "fabric" / "raft" / "0000.block"


class Channel:
    """A channel of three members and two auditors, with one identity for each role."""

    def __init__(self, folder: Path) -> None:
        self.members = [
            Organisation.create(folder / f"org{n}", f"Org{n}MSP", f"org{n}.example.com") for n in (1, 2, 3)
        ]
        self.auditors = [
            Organisation.create(folder / name, f"{name}MSP", f"{name.lower()}.example.com")
            for name in ("Audit", "Watch")
        ]
        self.orderer = Organisation.create(folder / "orderer", "OrdererMSP", "example.com")
        tls = self.orderer.tls.issue_tls("orderer.example.com").certificate_pem
        profile = ChannelProfile(
            "veilmesh", self.members, self.auditors, self.orderer, [Consenter("127.0.0.1", 7050, tls, tls)]
        )
        self.block = genesis_block(profile)
        self.config = ChannelConfig.from_block(self.block.SerializeToString(deterministic=True))

    def identity(self, organisation: Organisation, role: NodeRole) -> Identity:
        name = f"{role.value}-of-test"
        if (organisation.dir / "identities" / name).exists():
            files = organisation.identity(name)
        else:
            files = organisation.issue(name, role=role)
        signer = SigningIdentity.from_msp_folder(files.msp_dir, organisation.msp_id)
        return self.config.msps.identity(signer.creator, datetime.now(UTC))

    def satisfied(self, policy: str, *identities: Identity) -> bool:
        return self.config.policies.policy(policy).satisfied_by(identities)


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    return Channel(tmp_path_factory.mktemp("channel"))


@pytest.mark.parametrize("policy", [ENDORSEMENT_POLICY, LIFECYCLE_ENDORSEMENT_POLICY])
def test_two_of_three_members_endorse_whatever_the_number_of_auditors(channel: Channel, policy: str) -> None:
    peers = [channel.identity(member, NodeRole.PEER) for member in channel.members]
    watchers = [channel.identity(auditor, NodeRole.PEER) for auditor in channel.auditors]
    assert all(channel.satisfied(policy, *pair) for pair in combinations(peers, 2))
    assert not any(channel.satisfied(policy, peer, *watchers) for peer in peers)
    clients = [channel.identity(member, NodeRole.CLIENT) for member in channel.members]
    assert not channel.satisfied(policy, *clients)


def test_members_write_and_auditors_only_read(channel: Channel) -> None:
    member = channel.identity(channel.members[0], NodeRole.CLIENT)
    assert channel.satisfied(CHANNEL_WRITERS_POLICY, member)
    assert channel.satisfied(APPLICATION_READERS_POLICY, member)
    for role in (NodeRole.CLIENT, NodeRole.ADMIN):
        auditor = channel.identity(channel.auditors[0], role)
        assert channel.satisfied(APPLICATION_READERS_POLICY, auditor)
        assert not channel.satisfied(CHANNEL_WRITERS_POLICY, auditor)
    assert channel.config.application.access_policies == {"peer/Propose": APPLICATION_READERS_POLICY}


def test_auditors_do_not_administer_the_channel(channel: Channel) -> None:
    admins = [channel.identity(member, NodeRole.ADMIN) for member in channel.members]
    auditors = [channel.identity(auditor, NodeRole.ADMIN) for auditor in channel.auditors]
    assert channel.satisfied("/Channel/Application/Admins", *admins[:2])
    assert not channel.satisfied("/Channel/Application/Admins", admins[0], *auditors)
    orderer = channel.identity(channel.orderer, NodeRole.ADMIN)
    assert channel.satisfied("/Channel/Admins", orderer, *admins[:2])
    assert not channel.satisfied("/Channel/Admins", *admins)


def test_the_orderer_signs_blocks(channel: Channel) -> None:
    assert channel.satisfied(BLOCK_VALIDATION_POLICY, channel.identity(channel.orderer, NodeRole.ORDERER))
    assert not channel.satisfied(BLOCK_VALIDATION_POLICY, channel.identity(channel.members[0], NodeRole.PEER))


def test_capabilities_are_of_fabric_3(channel: Channel) -> None:
    config = channel.config
    assert (config.capabilities, config.application.capabilities, config.orderer.capabilities) == (
        frozenset({"V3_0"}),
        frozenset({"V2_5"}),
        frozenset({"V2_0"}),
    )
    assert config.orderer.consensus_type == "etcdraft"


def test_the_header_is_of_the_data(channel: Channel) -> None:
    header = channel.block.header
    assert (header.number, header.previous_hash) == (0, b"")
    assert header.data_hash == data_hash(channel.block.data.data)
    assert len(channel.block.metadata.metadata) == 5


def test_the_tree_is_that_of_a_block_configtxgen_made(channel: Channel) -> None:
    """Same groups, values, policies and their modification policies, but for what is ours on purpose."""
    recorded = set(_tree(common_pb2.Block.FromString(_RECORDED.read_bytes())))
    ours = {
        line.replace("/OrdererMSP", "/OrdererOrg")
        for line in _tree(channel.block)
        if "AuditMSP" not in line and "WatchMSP" not in line
    }
    assert ours - recorded == {
        "/Channel/Application values ACLs mod=Admins",
        "/Channel/Application policies Admins mod=Admins type=SIGNATURE",
        "/Channel/Application policies Endorsement mod=Admins type=SIGNATURE",
        "/Channel/Application policies LifecycleEndorsement mod=Admins type=SIGNATURE",
        "/Channel/Application policies Readers mod=Admins type=SIGNATURE",
        "/Channel/Application policies Writers mod=Admins type=SIGNATURE",
    }
    assert recorded - ours == {
        "/Channel/Application policies Admins mod=Admins type=IMPLICIT_META",
        "/Channel/Application policies Endorsement mod=Admins type=IMPLICIT_META",
        "/Channel/Application policies LifecycleEndorsement mod=Admins type=IMPLICIT_META",
        "/Channel/Application policies Readers mod=Admins type=IMPLICIT_META",
        "/Channel/Application policies Writers mod=Admins type=IMPLICIT_META",
        *(f"/Channel/Application/Org{n}MSP values AnchorPeers mod=Admins" for n in (1, 2, 3)),
    }


def _tree(block: Any) -> Iterator[str]:
    envelope = common_pb2.Envelope.FromString(block.data.data[0])
    payload = common_pb2.Payload.FromString(envelope.payload)
    config = configtx_pb2.ConfigEnvelope.FromString(payload.data).config
    yield from _group("/Channel", config.channel_group)


def _group(path: str, group: Any) -> Iterator[str]:
    yield f"{path} mod={group.mod_policy} version={group.version}"
    for name, value in group.values.items():
        yield f"{path} values {name} mod={value.mod_policy}"
    for name, entry in group.policies.items():
        kind = entry.policy.PolicyType.Name(entry.policy.type)
        yield f"{path} policies {name} mod={entry.mod_policy} type={kind}"
    for name, below in group.groups.items():
        yield from _group(f"{path}/{name}", below)
