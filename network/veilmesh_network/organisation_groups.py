"""The group that stands for one organisation in a channel's configuration, and how groups are filled.

A **member** endorses by its peers and writes by its clients and admins. An **auditor** has `Readers` and
`Admins`, but neither `Writers` nor `Endorsement`; the latter is how the two are told apart.
"""

from collections.abc import Sequence

from fabric_protos.common import configtx_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2
from veilmesh_fabric.channel_config import Address

from veilmesh_network.certificates import NodeRole
from veilmesh_network.policies import ADMINS, principal, readers, signatures, writers


def member_group(
    msp_id: str, definition: msp_config_pb2.MSPConfig, anchor_peers: Sequence[Address] = ()
) -> configtx_pb2.ConfigGroup:
    """Return a member's group below /Channel/Application.

    Args:
        msp_id: whose.
        definition: its MSP.
        anchor_peers: where peers of other organisations find its peers; without one they do not, and the
            gateways of others find no endorser there.
    """
    group = organisation_group(definition)
    if anchor_peers:
        set_anchor_peers(group, anchor_peers)
    set_policies(
        group,
        Readers=readers([msp_id], []),
        Writers=writers([msp_id]),
        Admins=signatures(1, [principal(msp_id, NodeRole.ADMIN)]),
        Endorsement=signatures(1, [principal(msp_id, NodeRole.PEER)]),
    )
    return group


def auditor_group(msp_id: str, definition: msp_config_pb2.MSPConfig) -> configtx_pb2.ConfigGroup:
    group = organisation_group(definition)
    admins = signatures(1, [principal(msp_id, NodeRole.ADMIN)])
    set_policies(group, Readers=readers([], [msp_id]), Admins=admins)
    return group


def organisation_group(definition: msp_config_pb2.MSPConfig) -> configtx_pb2.ConfigGroup:
    """Return the group of an organisation of any kind, still without policies."""
    group = configtx_pb2.ConfigGroup(mod_policy=ADMINS)
    set_value(group, "MSP", definition)
    return group


def set_anchor_peers(group: configtx_pb2.ConfigGroup, anchor_peers: Sequence[Address]) -> None:
    anchors = [peer_pb2.AnchorPeer(host=anchor.host, port=anchor.port) for anchor in anchor_peers]
    set_value(group, "AnchorPeers", peer_pb2.AnchorPeers(anchor_peers=anchors))


def set_policies(group: configtx_pb2.ConfigGroup, **policies: policies_pb2.Policy) -> None:
    for name, policy in policies.items():
        group.policies[name].CopyFrom(configtx_pb2.ConfigPolicy(policy=policy, mod_policy=ADMINS))


def set_value(group: configtx_pb2.ConfigGroup, name: str, message: object) -> None:
    value = message.SerializeToString(deterministic=True)  # type: ignore[attr-defined]  # untyped protobuf
    group.values[name].CopyFrom(configtx_pb2.ConfigValue(value=value, mod_policy=ADMINS))
