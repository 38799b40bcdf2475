"""The channel's first block, as `configtxgen` would make it: the one thing an auditor has to trust.

    /Channel                    Readers, Writers: ANY; Admins: MAJORITY of the two groups below
      /Orderer                  Raft or SmartBFT, batch sizes, BlockValidation: ANY Writers; with SmartBFT
        OrdererMSP              a quorum of the consenters, each by name
      /Application              ACLs; Readers, Writers: by name; three majorities of the members, see below
        Org1MSP ...             members: peers endorse, clients write
        AuditMSP                auditors: read only

A read-only organisation has `Readers` and `Admins`, but neither `Writers` nor `Endorsement`; and because
Fabric asks for `Writers` to evaluate, the ACL of `peer/Propose` is lowered to `Readers`.

What /Application says of its organisations is written out, as signature policies that name each of them, for
two reasons. Fabric's implicit "MAJORITY Endorsement" divides by *all* application organisations and counts
one without that policy as never satisfied (`common/policies/implicitmeta.go`), so that one auditor beside
three members would turn "two of three" into "three of three": `Admins`, `Endorsement` and
`LifecycleEndorsement` are more than half of the members, whatever the number of auditors. And an implicit
"ANY Readers" hands a signature to one organisation after another, each of which verifies it, until one finds
that it is its own's: two and a half times on average among four, for every proposal at every peer. A
signature policy verifies it once. /Channel above stays implicit, or each new member would need the ordering
organisation's consent. Adding an organisation later means updating these policies in the same update.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as etcdraft_pb2
from fabric_protos.orderer.smartbft import configuration_pb2 as smartbft_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2
from veilmesh_fabric.channel_config import Address

from veilmesh_network.certificates import NodeRole
from veilmesh_network.organisation import Organisation
from veilmesh_network.organisation_groups import (
    auditor_group,
    member_group,
    organisation_group,
    set_policies,
    set_value,
)
from veilmesh_network.policies import (
    ADMINS,
    application_policies,
    implicit,
    majority_of_groups,
    principal,
    signatures,
)


class Consensus(StrEnum):
    """`ConsensusType.type`."""

    RAFT = "etcdraft"
    SMARTBFT = "BFT"


@dataclass(frozen=True, slots=True)
class Consenter:
    """One orderer that takes part in the consensus."""

    host: str
    port: int
    tls_certificate: bytes  # PEM; one for both ends of the orderers' connections
    certificate: bytes  # PEM; its signing identity's, by which SmartBFT knows it


@dataclass(frozen=True, slots=True)
class ChannelProfile:
    """Everything a channel's first block says."""

    channel: str
    members: Sequence[Organisation]
    auditors: Sequence[Organisation]
    orderer: Organisation
    consenters: Sequence[Consenter]
    consensus: Consensus = Consensus.RAFT
    # By MSP id; peers and gateways of other organisations find nobody who has none.
    anchor_peers: Mapping[str, Address] = field(default_factory=dict)
    channel_capability: str = "V3_0"  # "V2_0" for Fabric 2.5
    max_message_count: int = 100
    absolute_max_bytes: int = 10 * 1024 * 1024
    preferred_max_bytes: int = 2 * 1024 * 1024
    batch_timeout_ms: int = 200
    raft_tick_ms: int = 500  # a follower without a leader stands for election after ten to twenty ticks


def genesis_block(profile: ChannelProfile) -> common_pb2.Block:
    """Return block 0 of a new channel. It differs each time: nonce and time are fresh."""
    group = _channel_group(profile)
    data = configtx_pb2.ConfigEnvelope(config=configtx_pb2.Config(channel_group=group))
    nonce = os.urandom(24)
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.CONFIG, version=1, channel_id=profile.channel, tx_id=hashlib.sha256(nonce).hexdigest()
    )
    channel_header.timestamp.FromDatetime(datetime.now(UTC).replace(microsecond=0))
    payload = common_pb2.Payload(
        header=common_pb2.Header(
            channel_header=channel_header.SerializeToString(),
            signature_header=common_pb2.SignatureHeader(nonce=nonce).SerializeToString(),
        ),
        data=data.SerializeToString(deterministic=True),
    )
    envelope = common_pb2.Envelope(payload=payload.SerializeToString()).SerializeToString()
    last_config = common_pb2.OrdererBlockMetadata(last_config=common_pb2.LastConfig(index=0))
    return common_pb2.Block(
        header=common_pb2.BlockHeader(number=0, data_hash=hashlib.sha256(envelope).digest()),
        data=common_pb2.BlockData(data=[envelope]),
        metadata=common_pb2.BlockMetadata(
            metadata=[
                common_pb2.Metadata(value=last_config.SerializeToString()).SerializeToString(),
                *(b"" for _ in range(4)),
            ]
        ),
    )


def _channel_group(profile: ChannelProfile) -> configtx_pb2.ConfigGroup:
    group = configtx_pb2.ConfigGroup(mod_policy=ADMINS)
    set_policies(
        group,
        Readers=implicit("ANY", "Readers"),
        Writers=implicit("ANY", "Writers"),
        Admins=majority_of_groups(),
    )
    set_value(group, "HashingAlgorithm", configuration_pb2.HashingAlgorithm(name="SHA256"))
    set_value(
        group, "BlockDataHashingStructure", configuration_pb2.BlockDataHashingStructure(width=2**32 - 1)
    )
    set_value(group, "Capabilities", _capabilities(profile.channel_capability))
    group.groups["Orderer"].CopyFrom(_orderer_group(profile))
    group.groups["Application"].CopyFrom(_application_group(profile))
    return group


def _orderer_group(profile: ChannelProfile) -> configtx_pb2.ConfigGroup:
    group = configtx_pb2.ConfigGroup(mod_policy=ADMINS)
    set_policies(
        group,
        Readers=implicit("ANY", "Readers"),
        Writers=implicit("ANY", "Writers"),
        Admins=majority_of_groups(),
        BlockValidation=_block_validation(profile),
    )
    set_value(group, "ConsensusType", _consensus(profile))
    if profile.consensus is Consensus.SMARTBFT:
        set_value(group, "Orderers", _consenter_mapping(profile))
    set_value(
        group,
        "BatchSize",
        orderer_pb2.BatchSize(
            max_message_count=profile.max_message_count,
            absolute_max_bytes=profile.absolute_max_bytes,
            preferred_max_bytes=profile.preferred_max_bytes,
        ),
    )
    set_value(group, "BatchTimeout", orderer_pb2.BatchTimeout(timeout=f"{profile.batch_timeout_ms}ms"))
    set_value(group, "ChannelRestrictions", orderer_pb2.ChannelRestrictions())
    set_value(group, "Capabilities", _capabilities("V2_0"))

    orderer = profile.orderer
    member = organisation_group(orderer.definition())
    everyone = signatures(1, [principal(orderer.msp_id, None)])
    set_policies(
        member,
        Readers=everyone,
        Writers=everyone,
        Admins=signatures(1, [principal(orderer.msp_id, NodeRole.ADMIN)]),
    )
    endpoints = [f"{consenter.host}:{consenter.port}" for consenter in profile.consenters]
    set_value(member, "Endpoints", configuration_pb2.OrdererAddresses(addresses=endpoints))
    group.groups[orderer.msp_id].CopyFrom(member)
    return group


def _application_group(profile: ChannelProfile) -> configtx_pb2.ConfigGroup:
    members = [member.msp_id for member in profile.members]
    auditors = [auditor.msp_id for auditor in profile.auditors]
    group = configtx_pb2.ConfigGroup(mod_policy=ADMINS)
    set_policies(group, **application_policies(members, auditors))
    set_value(group, "Capabilities", _capabilities("V2_5"))
    readers = peer_pb2.APIResource(policy_ref="/Channel/Application/Readers")
    set_value(group, "ACLs", peer_pb2.ACLs(acls={"peer/Propose": readers}))
    for member in profile.members:
        anchor = profile.anchor_peers.get(member.msp_id)
        anchors = () if anchor is None else (anchor,)
        group.groups[member.msp_id].CopyFrom(member_group(member.msp_id, member.definition(), anchors))
    for auditor in profile.auditors:
        group.groups[auditor.msp_id].CopyFrom(auditor_group(auditor.msp_id, auditor.definition()))
    return group


def _consensus(profile: ChannelProfile) -> orderer_pb2.ConsensusType:
    metadata = (
        _smartbft(profile) if profile.consensus is Consensus.SMARTBFT else _raft(profile)
    ).SerializeToString()
    return orderer_pb2.ConsensusType(type=profile.consensus.value, metadata=metadata)


def _raft(profile: ChannelProfile) -> etcdraft_pb2.ConfigMetadata:
    return etcdraft_pb2.ConfigMetadata(
        consenters=[
            etcdraft_pb2.Consenter(
                host=consenter.host,
                port=consenter.port,
                client_tls_cert=consenter.tls_certificate,
                server_tls_cert=consenter.tls_certificate,
            )
            for consenter in profile.consenters
        ],
        options=etcdraft_pb2.Options(  # configtxgen's defaults, the tick apart
            tick_interval=f"{profile.raft_tick_ms}ms",
            election_tick=10,
            heartbeat_tick=1,
            max_inflight_blocks=5,
            snapshot_interval_size=16 * 1024 * 1024,
        ),
    )


def _smartbft(profile: ChannelProfile) -> smartbft_pb2.Options:
    """Return SmartBFT's options: configtxgen's defaults, times as Go writes them, the batches' apart.

    SmartBFT does not look at `BatchTimeout`.
    """
    return smartbft_pb2.Options(
        request_batch_max_count=100,
        request_batch_max_bytes=10 * 1024 * 1024,
        request_batch_max_interval=f"{profile.batch_timeout_ms}ms",
        incoming_message_buffer_size=200,
        request_pool_size=400,
        request_forward_timeout="2s",
        request_complain_timeout="20s",
        request_auto_remove_timeout="3m0s",
        view_change_resend_interval="5s",
        view_change_timeout="20s",
        leader_heartbeat_timeout="1m0s",
        leader_heartbeat_count=10,
        collect_timeout="1s",
    )


def _consenter_mapping(profile: ChannelProfile) -> configuration_pb2.Orderers:
    return configuration_pb2.Orderers(
        consenter_mapping=[
            configuration_pb2.Consenter(
                id=number,
                host=consenter.host,
                port=consenter.port,
                msp_id=profile.orderer.msp_id,
                identity=consenter.certificate,
                client_tls_cert=consenter.tls_certificate,
                server_tls_cert=consenter.tls_certificate,
            )
            for number, consenter in enumerate(profile.consenters, start=1)
        ]
    )


def _block_validation(profile: ChannelProfile) -> policies_pb2.Policy:
    """Return whose signatures a block needs: any orderer's; with SmartBFT those of a quorum of consenters.

    Source: Fabric `common/policies/bft.go`.
    """
    if profile.consensus is Consensus.RAFT:
        return implicit("ANY", "Writers")
    count = len(profile.consenters)
    faulty = (count - 1) // 3
    principals = [
        msp_principal_pb2.MSPPrincipal(
            principal_classification=msp_principal_pb2.MSPPrincipal.IDENTITY,
            principal=identities_pb2.SerializedIdentity(
                mspid=profile.orderer.msp_id, id_bytes=consenter.certificate
            ).SerializeToString(),
        )
        for consenter in profile.consenters
    ]
    return signatures(-(-(count + faulty + 1) // 2), principals)


def _capabilities(*names: str) -> configuration_pb2.Capabilities:
    return configuration_pb2.Capabilities(
        capabilities={name: configuration_pb2.Capability() for name in names}
    )
