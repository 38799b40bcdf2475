"""Changes of a running channel's configuration, as pure functions from one root group to the next.

An organisation joins or leaves together with the policies of /Channel/Application that name all of them
(`genesis.py` says why): who reads, who writes, and the majorities of the members. Where a channel has
implicit policies there, Fabric looks at the organisations by itself and they are left alone; what is neither
is refused, since nobody but its author knows what it should become.

Versions are not touched: `veilmesh_fabric.config_delta` counts them. None of these functions asks who may
make the change: that is for the channel's policies, when the update is signed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from fabric_protos.common import configtx_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.orderer.smartbft import configuration_pb2 as smartbft_pb2
from veilmesh_fabric.channel_config import Address
from veilmesh_fabric.msp import read_msp_config
from veilmesh_fabric.policy import OutOf, SignaturePolicy
from veilmesh_fabric.wire import decode

from veilmesh_network.errors import NetworkError
from veilmesh_network.genesis import Consensus
from veilmesh_network.organisation_groups import (
    auditor_group,
    member_group,
    set_anchor_peers,
)
from veilmesh_network.policies import ENDORSEMENT, application_policies


def members(root: Any) -> list[str]:
    """Return the MSP ids of those who endorse, in order."""
    groups = root.groups["Application"].groups.values()
    return sorted(_msp_id(group) for group in groups if ENDORSEMENT in group.policies)


def auditors(root: Any) -> list[str]:
    """Return the MSP ids of those who only read, in order."""
    groups = root.groups["Application"].groups.values()
    return sorted(_msp_id(group) for group in groups if ENDORSEMENT not in group.policies)


def with_member(
    root: Any, msp_id: str, definition: msp_config_pb2.MSPConfig, anchor_peers: Sequence[Address] = ()
) -> Any:
    """Return `root` with one member more, which counts in all majorities.

    Raises:
        NetworkError: the organisation is in the channel already, or a policy is written in another way.
    """
    return _with_new(root, msp_id, member_group(msp_id, definition, anchor_peers))


def with_auditor(root: Any, msp_id: str, definition: msp_config_pb2.MSPConfig) -> Any:
    """Return `root` with one organisation more that reads.

    Raises:
        NetworkError: it is in the channel already, or `Readers` is written in another way.
    """
    return _with_new(root, msp_id, auditor_group(msp_id, definition))


def without(root: Any, msp_id: str) -> Any:
    """Return `root` without a member or auditor. An orderer of the same organisation stays.

    Raises:
        NetworkError: there is no such organisation, it is the only member, or a policy is written in
            another way.
    """
    edited = _copy(root)
    application = edited.groups["Application"]
    del application.groups[_name_of(application, msp_id)]
    if not members(edited):
        raise NetworkError(f"{msp_id} is the only member: a channel without members is none")
    _write_out_anew(edited, root)
    return edited


def with_revocations(root: Any, msp_id: str, revocation_lists: Sequence[bytes]) -> Any:
    """Return `root` with other revocation lists in the definition of one MSP, wherever it stands.

    Args:
        root: the root group.
        msp_id: whose; a member, an auditor or one that orders.
        revocation_lists: PEM or DER; they replace those that are there.

    Raises:
        NetworkError: there is no such organisation.
    """
    edited = _copy(root)
    found = [group for group in _organisation_groups(edited) if _msp_id(group) == msp_id]
    if not found:
        raise NetworkError(f"there is no organisation {msp_id} in the channel")
    for group in found:
        definition = read_msp_config(group.values["MSP"].value)
        del definition.revocation_list[:]
        definition.revocation_list.extend(revocation_lists)
        whole = msp_config_pb2.MSPConfig(type=0, config=definition.SerializeToString(deterministic=True))
        group.values["MSP"].value = whole.SerializeToString(deterministic=True)
    return edited


def with_anchor_peers(root: Any, msp_id: str, anchor_peers: Sequence[Address]) -> Any:
    """Return `root` with other anchor peers of a member; where it has none, others do not find its peers.

    Raises:
        NetworkError: there is no such organisation.
    """
    edited = _copy(root)
    application = edited.groups["Application"]
    group = application.groups[_name_of(application, msp_id)]
    if anchor_peers:
        set_anchor_peers(group, anchor_peers)
    elif "AnchorPeers" in group.values:
        del group.values["AnchorPeers"]
    return edited


def with_batches(root: Any, *, max_message_count: int | None = None, timeout_ms: int | None = None) -> Any:
    """Return `root` with other limits on when the ordering service closes a block; None: as it is.

    Args:
        root: the root group.
        max_message_count: transactions in a block, at most.
        timeout_ms: how long a transaction waits for others.

    Raises:
        NetworkError: a limit is not positive.
    """
    if min(1 if each is None else each for each in (max_message_count, timeout_ms)) < 1:
        raise NetworkError("a block holds one transaction at least, and waits a millisecond at least")
    edited = _copy(root)
    values = edited.groups["Orderer"].values
    if max_message_count is not None:
        size = decode(orderer_pb2.BatchSize, values["BatchSize"].value, "batch size")
        size.max_message_count = max_message_count
        values["BatchSize"].value = size.SerializeToString(deterministic=True)
    if timeout_ms is not None:
        timeout = orderer_pb2.BatchTimeout(timeout=f"{timeout_ms}ms")
        values["BatchTimeout"].value = timeout.SerializeToString(deterministic=True)
        _set_smartbft_interval(values["ConsensusType"], timeout.timeout)
    return edited


def _set_smartbft_interval(value: Any, interval: str) -> None:
    """Have SmartBFT wait as long: it looks at its own options, and not at `BatchTimeout`."""
    consensus = decode(orderer_pb2.ConsensusType, value.value, "consensus type")
    if consensus.type != Consensus.SMARTBFT:
        return
    options = decode(smartbft_pb2.Options, consensus.metadata, "options of SmartBFT")
    options.request_batch_max_interval = interval
    consensus.metadata = options.SerializeToString(deterministic=True)
    value.value = consensus.SerializeToString(deterministic=True)


def _copy(root: Any) -> Any:
    copy = configtx_pb2.ConfigGroup()
    copy.CopyFrom(root)
    return copy


def _organisation_groups(root: Any) -> Iterator[Any]:
    for part in ("Orderer", "Application"):
        yield from root.groups[part].groups.values()


def _msp_id(group: Any) -> str:
    return str(read_msp_config(group.values["MSP"].value).name)


def _name_of(part: Any, msp_id: str) -> str:
    """Return the name of an organisation's group, which need not be its MSP id."""
    for name, group in part.groups.items():
        if _msp_id(group) == msp_id:
            return str(name)
    known = ", ".join(sorted(map(_msp_id, part.groups.values())))
    raise NetworkError(f"there is no organisation {msp_id} in the channel; there are {known}")


def _with_new(root: Any, msp_id: str, group: configtx_pb2.ConfigGroup) -> Any:
    edited = _copy(root)
    if msp_id in map(_msp_id, _organisation_groups(root)):
        raise NetworkError(f"{msp_id} is in the channel already")
    edited.groups["Application"].groups[msp_id].CopyFrom(group)
    _write_out_anew(edited, root)
    return edited


def _write_out_anew(edited: Any, root: Any) -> None:
    """Make the policies that name the organisations of `root` name those of `edited`."""
    before, after = (application_policies(members(each), auditors(each)) for each in (root, edited))
    policies = edited.groups["Application"].policies
    for name, wanted in after.items():
        policy = policies[name].policy
        if policy.type == policies_pb2.Policy.IMPLICIT_META or wanted == before[name]:
            continue
        if not _is_same(policy, before[name]):
            raise NetworkError(
                f"policy {name} of /Channel/Application is not what this software writes for "
                f"{', '.join([*members(root), *auditors(root)])}; "
                "change it and the organisations in an update of your own"
            )
        policy.CopyFrom(wanted)


def _is_same(policy: Any, expected: policies_pb2.Policy) -> bool:
    """Whether two signature policies want as many of the same principals, in whatever order."""
    found, wanted = (SignaturePolicy.from_bytes(each.value).rule for each in (policy, expected))
    if not isinstance(found, OutOf) or not isinstance(wanted, OutOf):
        return False
    return found.needed == wanted.needed and set(found.rules) == set(wanted.rules)
