"""The channel's configuration: who belongs to it, who orders, which policies hold.

A configuration is a tree of groups. Each group, value and policy carries a version and the name of the policy
that must agree to its change. `ChannelConfig` is one such tree, read whole: the MSPs, the policies and those
values that verification and clients need. It is read from a CONFIG transaction, the first of which is the
channel's block 0; how a later one must follow from its predecessor is `config_update.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from veilmesh_fabric.errors import DecodeError, IdentityError
from veilmesh_fabric.msp import Msp, MspManager, read_msp_config
from veilmesh_fabric.policy import PolicyManager
from veilmesh_fabric.wire import decode

SMARTBFT = "BFT"  # ConsensusType.type of a Byzantine fault tolerant ordering service
_CAPABILITY_ED25519 = "V3_0"


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Consenter:
    """One orderer of a SmartBFT cluster, whose block signatures carry its number instead of its identity."""

    id: int
    msp_id: str
    address: Address
    serialized_identity: bytes


@dataclass(frozen=True, slots=True)
class Organization:
    name: str  # of its group
    msp_id: str
    anchor_peers: tuple[Address, ...]
    orderer_endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrdererConfig:
    consensus_type: str  # "etcdraft", "BFT", or what another ordering service calls itself
    consensus_metadata: bytes  # the consensus type's own message
    consenters: Mapping[int, Consenter]  # by id; empty unless SmartBFT
    max_message_count: int
    absolute_max_bytes: int
    preferred_max_bytes: int
    batch_timeout: str  # a Go duration, e.g. "2s"
    capabilities: frozenset[str]
    organizations: tuple[Organization, ...]

    @property
    def is_byzantine_fault_tolerant(self) -> bool:
        return self.consensus_type == SMARTBFT

    @property
    def quorum(self) -> int:
        """How many consenters sign a SmartBFT block: ceil((n + f + 1) / 2), f = (n - 1) // 3; else 0."""
        count = len(self.consenters)
        faulty = (count - 1) // 3
        return -(-(count + faulty + 1) // 2)


@dataclass(frozen=True, slots=True)
class ApplicationConfig:
    capabilities: frozenset[str]
    access_policies: Mapping[str, str]  # resource, e.g. "peer/Propose" -> path of the policy that guards it
    organizations: tuple[Organization, ...]


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """One configuration of one channel."""

    channel_id: str
    sequence: int
    root: Any  # the `ConfigGroup` message; not to be changed
    capabilities: frozenset[str]
    msps: MspManager
    policies: PolicyManager
    orderer: OrdererConfig
    application: ApplicationConfig

    @classmethod
    def from_proto(cls, channel_id: str, config: Any) -> "ChannelConfig":
        """Read a `Config` message.

        Raises:
            DecodeError: something is missing or malformed, an MSP's contradiction included.
        """
        root = config.channel_group
        for name in ("Orderer", "Application"):
            if name not in root.groups:
                raise DecodeError(f"channel configuration has no {name} group")
        capabilities = _capabilities(root)
        return cls(
            channel_id=channel_id,
            sequence=config.sequence,
            root=root,
            capabilities=capabilities,
            msps=_msps(root, allow_ed25519=_CAPABILITY_ED25519 in capabilities),
            policies=PolicyManager(root),
            orderer=_orderer(root.groups["Orderer"]),
            application=_application(root.groups["Application"]),
        )

    @classmethod
    def from_block(cls, block: bytes) -> "ChannelConfig":
        """Read the configuration out of a serialized config block, e.g. a channel's block 0.

        Nothing is verified: this is for a block that is trusted already, or about to be.

        Raises:
            DecodeError: `block` is no config block.
        """
        message = decode(common_pb2.Block, block, "block")
        if len(message.data.data) != 1:
            raise DecodeError(f"a config block has one transaction, not {len(message.data.data)}")
        envelope = decode(common_pb2.Envelope, message.data.data[0], "envelope")
        payload = decode(common_pb2.Payload, envelope.payload, "payload")
        header = decode(common_pb2.ChannelHeader, payload.header.channel_header, "channel header")
        if header.type != common_pb2.CONFIG:
            raise DecodeError(f"transaction of type {header.type} is no CONFIG transaction")
        return cls.from_envelope(header.channel_id, payload.data)

    @classmethod
    def from_envelope(cls, channel_id: str, data: bytes) -> "ChannelConfig":
        """Read the `ConfigEnvelope` message that a CONFIG transaction carries.

        Raises:
            DecodeError: `data` is none, or as `from_proto`.
        """
        return cls.from_proto(channel_id, decode(configtx_pb2.ConfigEnvelope, data, "config envelope").config)


def _capabilities(group: Any) -> frozenset[str]:
    if "Capabilities" not in group.values:
        return frozenset()
    value = decode(configuration_pb2.Capabilities, group.values["Capabilities"].value, "capabilities")
    return frozenset(value.capabilities)


def _msps(root: Any, *, allow_ed25519: bool) -> MspManager:
    definitions: dict[str, bytes] = {}
    msps = []
    for role in ("Orderer", "Application"):
        for name, group in root.groups[role].groups.items():
            data = _value(group, "MSP", f"organisation {name}")
            try:
                msp = Msp.from_bytes(data, allow_ed25519=allow_ed25519)
            except IdentityError as err:
                raise DecodeError(f"MSP of organisation {name} contradicts itself: {err}") from err
            if definitions.setdefault(msp.msp_id, data) != data:
                raise DecodeError(f"MSP {msp.msp_id} is defined twice, differently")
            msps.append(msp)
    return MspManager(msps)


def _orderer(group: Any) -> OrdererConfig:
    consensus = decode(
        orderer_pb2.ConsensusType, _value(group, "ConsensusType", "Orderer group"), "consensus type"
    )
    batch = decode(orderer_pb2.BatchSize, _value(group, "BatchSize", "Orderer group"), "batch size")
    timeout = decode(
        orderer_pb2.BatchTimeout, _value(group, "BatchTimeout", "Orderer group"), "batch timeout"
    )
    return OrdererConfig(
        consensus_type=consensus.type,
        consensus_metadata=consensus.metadata,
        consenters=_consenters(group) if consensus.type == SMARTBFT else MappingProxyType({}),
        max_message_count=batch.max_message_count,
        absolute_max_bytes=batch.absolute_max_bytes,
        preferred_max_bytes=batch.preferred_max_bytes,
        batch_timeout=timeout.timeout,
        capabilities=_capabilities(group),
        organizations=_organizations(group),
    )


def _consenters(group: Any) -> Mapping[int, Consenter]:
    orderers = decode(configuration_pb2.Orderers, _value(group, "Orderers", "Orderer group"), "orderers")
    consenters = {}
    for entry in orderers.consenter_mapping:
        identity = identities_pb2.SerializedIdentity(mspid=entry.msp_id, id_bytes=entry.identity)
        consenters[entry.id] = Consenter(
            id=entry.id,
            msp_id=entry.msp_id,
            address=Address(entry.host, entry.port),
            serialized_identity=identity.SerializeToString(),
        )
    if not consenters or len(consenters) != len(orderers.consenter_mapping):
        raise DecodeError("the consenters of a SmartBFT channel are missing or share a number")
    return MappingProxyType(consenters)


def _application(group: Any) -> ApplicationConfig:
    access_policies = {}
    if "ACLs" in group.values:
        value = decode(peer_pb2.ACLs, group.values["ACLs"].value, "access control list")
        access_policies = {resource: entry.policy_ref for resource, entry in value.acls.items()}
    return ApplicationConfig(
        capabilities=_capabilities(group),
        access_policies=MappingProxyType(access_policies),
        organizations=_organizations(group),
    )


def _organizations(group: Any) -> tuple[Organization, ...]:
    return tuple(_organization(name, group.groups[name]) for name in sorted(group.groups))


def _organization(name: str, group: Any) -> Organization:
    anchors: tuple[Address, ...] = ()
    if "AnchorPeers" in group.values:
        value = decode(peer_pb2.AnchorPeers, group.values["AnchorPeers"].value, "anchor peers")
        anchors = tuple(Address(peer.host, peer.port) for peer in value.anchor_peers)
    endpoints: tuple[str, ...] = ()
    if "Endpoints" in group.values:
        addresses = decode(configuration_pb2.OrdererAddresses, group.values["Endpoints"].value, "endpoints")
        endpoints = tuple(addresses.addresses)
    msp = read_msp_config(_value(group, "MSP", f"organisation {name}"))
    return Organization(name=name, msp_id=msp.name, anchor_peers=anchors, orderer_endpoints=endpoints)


def _value(group: Any, name: str, where: str) -> bytes:
    if name not in group.values:
        raise DecodeError(f"{where} of the channel configuration has no {name}")
    return bytes(group.values[name].value)
