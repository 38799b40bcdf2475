"""What each edit makes of a channel: who may do what afterwards, by the channel's own policies."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import configtx_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.orderer.smartbft import configuration_pb2 as smartbft_pb2
from veilmesh_fabric.channel_config import Address, ChannelConfig
from veilmesh_fabric.config_request import ConfigUpdateRequest
from veilmesh_fabric.config_update import consents, next_config, proposed_config
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.policy import (
    APPLICATION_READERS_POLICY,
    CHANNEL_WRITERS_POLICY,
    ENDORSEMENT_POLICY,
    LIFECYCLE_ENDORSEMENT_POLICY,
)
from veilmesh_network import channel_edits as edits
from veilmesh_network.certificates import NodeRole
from veilmesh_network.errors import NetworkError
from veilmesh_network.policies import ADMINS, implicit, majority_of_members

from tests.unit.fabric.forge import Channel, member, organisation, serialized

MAJORITIES = ["/Channel/Application/Admins", ENDORSEMENT_POLICY, LIFECYCLE_ENDORSEMENT_POLICY]
FORGE = Channel()
CURRENT = ChannelConfig.from_proto("veilmesh", FORGE.config)
ROOT = CURRENT.root
FOURTH = organisation("Org4MSP")
FOURTH_MEMBERS = {role: member(FOURTH, role.value, role) for role in NodeRole}
WITH_FOURTH = edits.with_member(ROOT, "Org4MSP", FOURTH.definition())


def changed(root: Any, signers: Sequence[SigningIdentity]) -> ChannelConfig:
    """Return the configuration that an update to `root` leads to, signed by these."""
    request = ConfigUpdateRequest.between(CURRENT, root)
    for signer in signers:
        request = request.signed_by(signer)
    proposed = proposed_config(CURRENT, request.unsigned_envelope(), FORGE.now)
    return next_config(CURRENT, serialized(proposed), FORGE.now)


def wanted(root: Any) -> set[str]:
    """Return what an update to `root` asks consent for."""
    request = ConfigUpdateRequest.between(CURRENT, root)
    changes, signers = consents(CURRENT, request.unsigned_envelope(), FORGE.now)
    assert not signers
    return {change.path for change in changes if not change.given}


def known(config: ChannelConfig, *signers: SigningIdentity) -> list[Identity]:
    now = datetime.now(UTC)  # some certificates are made by the tests, later than the forge's moment
    return [config.msps.identity(signer.creator, now) for signer in signers]


def satisfied(config: ChannelConfig, policy: str, *signers: SigningIdentity) -> bool:
    return config.policies.policy(policy).satisfied_by(known(config, *signers))


def test_a_fourth_member_counts_in_every_majority() -> None:
    config = changed(WITH_FOURTH, FORGE.admins[:2])
    assert edits.members(config.root) == ["Org1MSP", "Org2MSP", "Org3MSP", "Org4MSP"]
    assert edits.auditors(config.root) == ["AuditMSP"]
    for policy in MAJORITIES:
        role = NodeRole.ADMIN if policy.endswith("Admins") else NodeRole.PEER
        own = [*(FORGE.admins if role is NodeRole.ADMIN else FORGE.peers), FOURTH_MEMBERS[role]]
        assert all(satisfied(config, policy, *three) for three in combinations(own, 3)), policy
        assert not any(satisfied(config, policy, *two) for two in combinations(own, 2)), policy
    assert satisfied(config, CHANNEL_WRITERS_POLICY, FOURTH_MEMBERS[NodeRole.CLIENT])
    assert satisfied(config, APPLICATION_READERS_POLICY, FOURTH_MEMBERS[NodeRole.PEER])


def test_an_update_lists_what_it_asks_consent_for() -> None:
    application = "/Channel/Application"
    readers, writers = f"{application}/Readers", f"{application}/Writers"
    assert wanted(WITH_FOURTH) == {application, *MAJORITIES, readers, writers}
    assert wanted(edits.with_auditor(ROOT, "Org4MSP", FOURTH.definition())) == {application, readers}


def test_a_new_auditor_reads_and_changes_no_majority() -> None:
    config = changed(edits.with_auditor(ROOT, "Org4MSP", FOURTH.definition()), FORGE.admins[:2])
    client = FOURTH_MEMBERS[NodeRole.CLIENT]
    assert edits.auditors(config.root) == ["AuditMSP", "Org4MSP"]
    assert satisfied(config, APPLICATION_READERS_POLICY, client)
    assert not satisfied(config, CHANNEL_WRITERS_POLICY, client)
    assert not satisfied(config, APPLICATION_READERS_POLICY, FOURTH_MEMBERS[NodeRole.PEER])
    assert all(satisfied(config, ENDORSEMENT_POLICY, *pair) for pair in combinations(FORGE.peers, 2))


def test_a_member_that_left_is_unknown_and_the_others_are_the_majority() -> None:
    config = changed(edits.without(ROOT, "Org3MSP"), FORGE.admins[:2])
    with pytest.raises(IdentityError, match="not one of this channel's"):
        known(config, FORGE.clients[2])
    assert satisfied(config, ENDORSEMENT_POLICY, *FORGE.peers[:2])
    assert not satisfied(config, ENDORSEMENT_POLICY, FORGE.peers[0])


def test_five_members_of_whom_two_leave_need_two_of_three_again() -> None:
    fifth = organisation("Org5MSP")
    root = edits.with_member(WITH_FOURTH, "Org5MSP", fifth.definition())
    root = edits.without(edits.without(root, "Org5MSP"), "Org4MSP")
    assert _written(root) == _written(ROOT)


def _written(root: Any) -> dict[str, Any]:
    """Return what the application's policies say."""
    policies = root.groups["Application"].policies
    return {name: policies[name].policy for name in policies}


def test_an_organisation_that_left_is_named_nowhere() -> None:
    for msp_id in ("Org3MSP", "AuditMSP"):
        policies = edits.without(ROOT, msp_id).groups["Application"].policies.values()
        assert not [each for each in policies if msp_id.encode() in each.policy.value]


def test_an_auditor_leaves_and_the_majorities_stay() -> None:
    root = edits.without(ROOT, "AuditMSP")
    assert wanted(root) == {"/Channel/Application", APPLICATION_READERS_POLICY}
    assert edits.auditors(root) == []


EDITS: dict[str, Callable[[], Any]] = {
    "member": lambda: edits.with_member(ROOT, "Org4MSP", FOURTH.definition()),
    "leaver": lambda: edits.without(ROOT, "Org3MSP"),
    "revocation": lambda: edits.with_revocations(ROOT, "Org1MSP", [b"list"]),
    "anchor": lambda: edits.with_anchor_peers(ROOT, "Org1MSP", [Address("peer", 1)]),
    "batches": lambda: edits.with_batches(ROOT, max_message_count=1),
}


@pytest.mark.parametrize("name", EDITS)
def test_nothing_is_done_to_what_is_handed_in(name: str) -> None:
    before = serialized(ROOT)
    EDITS[name]()
    assert serialized(ROOT) == before


def test_a_revoked_certificate_is_refused_by_the_consent_of_its_own_organisation() -> None:
    of = FORGE.members[1]
    holder = member(of, "leaver", NodeRole.CLIENT)
    known(CURRENT, holder)
    revoked = of.signing.revoke([x509.load_pem_x509_certificate(holder.certificate_pem)])
    root = edits.with_revocations(ROOT, "Org2MSP", [revoked.public_bytes(Encoding.PEM)])
    assert wanted(root) == {"/Channel/Application/Org2MSP/MSP"}
    config = changed(root, [FORGE.admins[1]])
    with pytest.raises(IdentityError, match="revoked"):
        known(config, holder)
    known(config, FORGE.clients[1])


def test_an_organisation_that_also_orders_has_one_definition() -> None:
    both = configtx_pb2.ConfigGroup()
    both.CopyFrom(ROOT)
    both.groups["Orderer"].groups["Org1MSP"].CopyFrom(both.groups["Application"].groups["Org1MSP"])
    edited = edits.with_revocations(both, "Org1MSP", [b"list"])
    values = [
        edited.groups[part].groups["Org1MSP"].values["MSP"].value for part in ("Orderer", "Application")
    ]
    assert values[0] == values[1] != ROOT.groups["Application"].groups["Org1MSP"].values["MSP"].value


def test_anchor_peers_are_set_and_taken_away() -> None:
    root = edits.with_anchor_peers(ROOT, "Org2MSP", [Address("peer0.org2.example.com", 7051)])
    config = changed(root, [FORGE.admins[1]])
    anchors = {each.msp_id: each.anchor_peers for each in config.application.organizations}
    assert anchors["Org2MSP"] == (Address("peer0.org2.example.com", 7051),)
    assert not anchors["Org1MSP"]
    again = edits.with_anchor_peers(edits.with_anchor_peers(root, "Org2MSP", []), "Org2MSP", [])
    assert serialized(again) == serialized(ROOT)


def test_batches_are_the_orderers_business() -> None:
    root = edits.with_batches(ROOT, max_message_count=7, timeout_ms=50)
    assert wanted(root) == {"/Channel/Orderer/BatchSize", "/Channel/Orderer/BatchTimeout"}
    config = changed(root, [FORGE.orderer_admin])
    assert (config.orderer.max_message_count, config.orderer.batch_timeout) == (7, "50ms")
    assert config.orderer.absolute_max_bytes == CURRENT.orderer.absolute_max_bytes


def test_smartbft_waits_for_its_batches_as_long_as_is_said() -> None:
    root = configtx_pb2.ConfigGroup()
    root.CopyFrom(ROOT)
    options = smartbft_pb2.Options(request_batch_max_interval="200ms", request_pool_size=400)
    consensus = orderer_pb2.ConsensusType(type="BFT", metadata=options.SerializeToString())
    root.groups["Orderer"].values["ConsensusType"].value = consensus.SerializeToString()
    counted = edits.with_batches(root, max_message_count=7)
    assert _smartbft(counted) == options
    options.request_batch_max_interval = "50ms"
    assert _smartbft(edits.with_batches(root, timeout_ms=50)) == options


def _smartbft(root: Any) -> Any:
    value = root.groups["Orderer"].values["ConsensusType"].value
    return smartbft_pb2.Options.FromString(orderer_pb2.ConsensusType.FromString(value).metadata)


def only_member() -> Any:
    return edits.without(edits.without(ROOT, "Org3MSP"), "Org2MSP")


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a member again": (
        lambda: edits.with_member(ROOT, "Org1MSP", FORGE.members[0].definition()),
        "Org1MSP is in the channel already",
    ),
    "an orderer as auditor": (
        lambda: edits.with_auditor(ROOT, "OrdererMSP", FORGE.orderer_organisation.definition()),
        "OrdererMSP is in the channel already",
    ),
    "a stranger leaves": (
        lambda: edits.without(ROOT, "Org9MSP"),
        "no organisation Org9MSP in the channel; there are AuditMSP, Org1MSP, Org2MSP, Org3MSP",
    ),
    "the last member leaves": (lambda: edits.without(only_member(), "Org1MSP"), "is the only member"),
    "a stranger's certificate": (
        lambda: edits.with_revocations(ROOT, "Org9MSP", []),
        "no organisation Org9MSP",
    ),
    "a stranger's anchor": (lambda: edits.with_anchor_peers(ROOT, "Org9MSP", []), "no organisation Org9MSP"),
    "empty blocks": (lambda: edits.with_batches(ROOT, max_message_count=0), "one transaction at least"),
    "no time": (lambda: edits.with_batches(ROOT, timeout_ms=0), "a millisecond at least"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    edit, message = REFUSED[name]
    with pytest.raises(NetworkError, match=message):
        edit()


def with_admins(policy: Any) -> Any:
    root = configtx_pb2.ConfigGroup()
    root.CopyFrom(ROOT)
    root.groups["Application"].policies[ADMINS].policy.CopyFrom(policy)
    return root


def test_policies_that_look_at_the_organisations_themselves_are_left_alone() -> None:
    root = edits.with_member(with_admins(implicit("MAJORITY", ADMINS)), "Org4MSP", FOURTH.definition())
    policies = root.groups["Application"].policies
    assert policies[ADMINS].policy == implicit("MAJORITY", ADMINS)
    everybody = ["Org1MSP", "Org2MSP", "Org3MSP", "Org4MSP"]
    assert policies["Endorsement"].policy == majority_of_members(everybody, NodeRole.PEER)


@pytest.mark.parametrize("msp_ids", [["Org1MSP"], ["Org1MSP", "Org2MSP", "Org4MSP"]])
def test_policies_of_another_form_are_not_guessed(msp_ids: list[str]) -> None:
    root = with_admins(majority_of_members(msp_ids, NodeRole.ADMIN))
    with pytest.raises(NetworkError, match="policy Admins of /Channel/Application is not what this software"):
        edits.with_member(root, "Org5MSP", FOURTH.definition())
