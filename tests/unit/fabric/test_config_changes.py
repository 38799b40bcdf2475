"""What an admin is told before signing."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import configtx_pb2
from veilmesh_fabric.config_changes import ConfigChange, config_changes
from veilmesh_fabric.errors import DecodeError
from veilmesh_network import channel_edits as edits
from veilmesh_network.certificates import NodeRole

from tests.unit.fabric.forge import Channel, member, organisation

FORGE = Channel()
ROOT = FORGE.config.channel_group


def told(root: object) -> dict[str, ConfigChange]:
    return {change.path: change for change in config_changes(ROOT, root)}


def test_nothing() -> None:
    assert config_changes(ROOT, ROOT) == ()


def test_a_value_is_told_field_by_field() -> None:
    (change,) = config_changes(ROOT, edits.with_batches(ROOT, max_message_count=7))
    assert (change.path, change.kind) == ("/Channel/Orderer/BatchSize", "changed")
    assert '"max_message_count": 100' in change.before
    assert '"max_message_count": 7' in change.after
    assert change.after.endswith("changed by Admins")


def test_a_member_is_told_by_its_root_and_what_it_may_do() -> None:
    fourth = organisation("Org4MSP")
    changes = told(edits.with_member(ROOT, "Org4MSP", fourth.definition()))
    group = "/Channel/Application/Org4MSP"
    assert {path for path, change in changes.items() if change.kind == "added"} == {
        group,
        f"{group}/MSP",
        *(f"{group}/{name} (policy)" for name in ("Admins", "Endorsement", "Readers", "Writers")),
    }
    fingerprint = fourth.signing.root.certificate.fingerprint(hashes.SHA256()).hex()
    assert changes[f"{group}/MSP"].after == f"Org4MSP with root {fingerprint}, changed by Admins"
    endorsement = changes["/Channel/Application/Endorsement (policy)"]
    assert endorsement.before.startswith("2 of (peer of Org1MSP, peer of Org2MSP, peer of Org3MSP)")
    assert endorsement.after.startswith("3 of (")


def test_who_leaves_and_what_is_revoked() -> None:
    assert told(edits.without(ROOT, "Org3MSP"))["/Channel/Application/Org3MSP"].kind == "removed"
    of = FORGE.members[0]
    leaver = x509.load_pem_x509_certificate(member(of, "leaver", NodeRole.CLIENT).certificate_pem)
    revoked = of.signing.revoke([leaver]).public_bytes(Encoding.PEM)
    (change,) = config_changes(ROOT, edits.with_revocations(ROOT, "Org1MSP", [revoked]))
    assert "revoked" not in change.before
    assert f"revoked: {leaver.serial_number:x}, changed by" in change.after


def test_what_is_unknown_or_unreadable_is_told_by_its_digest() -> None:
    root = configtx_pb2.ConfigGroup()
    root.CopyFrom(ROOT)
    root.values["New"].CopyFrom(configtx_pb2.ConfigValue(value=b"new", mod_policy="Admins"))
    root.groups["Orderer"].values["BatchSize"].value = b"\xff"
    root.groups["Application"].groups["Org1MSP"].values["MSP"].mod_policy = "/Channel/Admins"
    changes = told(root)
    assert changes["/Channel/New"].after.startswith("3 bytes, SHA-256 ")
    assert changes["/Channel/Orderer/BatchSize"].after.startswith("1 bytes, SHA-256 ")
    assert changes["/Channel/Application/Org1MSP/MSP"].after.endswith("changed by /Channel/Admins")


def test_a_policy_that_is_none() -> None:
    root = configtx_pb2.ConfigGroup()
    root.CopyFrom(ROOT)
    root.policies["Admins"].policy.type = 99
    with pytest.raises(DecodeError, match="unknown kind 99"):
        config_changes(ROOT, root)
