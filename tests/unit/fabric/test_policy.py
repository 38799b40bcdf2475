"""Which sets of identities satisfy a policy."""

from dataclasses import dataclass
from typing import Any, cast

import pytest
from fabric_protos.common import configtx_pb2, policies_pb2
from hypothesis import given
from hypothesis import strategies as st
from veilmesh_fabric.errors import DecodeError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.policy import (
    ImplicitMetaPolicy,
    NoSuchPolicy,
    OutOf,
    PolicyManager,
    SignaturePolicy,
    SignedBy,
)
from veilmesh_fabric.principals import Principal, Role, RolePrincipal

from tests.unit.fabric.forge import peers_of, serialized


@dataclass(frozen=True)
class Somebody:
    """An identity as far as a policy looks at it."""

    msp_id: str

    def satisfies(self, principal: Principal) -> bool:
        return isinstance(principal, RolePrincipal) and principal.msp_id == self.msp_id


def people(*msp_ids: str) -> tuple[Identity, ...]:
    return cast("tuple[Identity, ...]", tuple(Somebody(msp_id) for msp_id in msp_ids))


def by(msp_id: str) -> SignedBy:
    return SignedBy(RolePrincipal(msp_id, Role.PEER))


def test_two_of_three() -> None:
    policy = SignaturePolicy.from_bytes(serialized(peers_of(2, "A", "B", "C")))
    assert str(policy) == "2 of (peer of A, peer of B, peer of C)"
    assert policy.satisfied_by(people("A", "C"))
    assert policy.satisfied_by(people("X", "C", "B"))
    assert not policy.satisfied_by(people("A"))
    assert not policy.satisfied_by(people("A", "X"))
    assert not policy.satisfied_by(())


def test_one_identity_satisfies_one_rule() -> None:
    policy = SignaturePolicy(OutOf(2, (by("A"), by("A"))))
    assert not policy.satisfied_by(people("A"))
    assert policy.satisfied_by(people("A", "A"))


def test_failed_branch_spends_nobody() -> None:
    """A and B together fail, so that A is free for the second rule."""
    policy = SignaturePolicy(OutOf(1, (OutOf(2, (by("A"), by("B"))), by("A"))))
    assert policy.satisfied_by(people("A"))


def test_satisfied_branch_spends_in_order() -> None:
    """As in Fabric: the first rule takes the only A, although the second needs it and the first does not."""
    any_of = OutOf(1, (by("A"), by("B")))
    assert not SignaturePolicy(OutOf(2, (any_of, by("A")))).satisfied_by(people("A", "B"))
    assert SignaturePolicy(OutOf(2, (by("A"), any_of))).satisfied_by(people("A", "B"))


@given(st.integers(0, 4), st.lists(st.sampled_from("ABCX"), max_size=6))
def test_n_of_different_organisations_counts_organisations(needed: int, signers: list[str]) -> None:
    policy = SignaturePolicy(OutOf(needed, (by("A"), by("B"), by("C"))))
    assert policy.satisfied_by(people(*signers)) == (len(set(signers) & set("ABC")) >= needed)


@pytest.mark.parametrize(
    "change",
    [
        lambda envelope: setattr(envelope, "version", 1),
        lambda envelope: setattr(envelope.rule.n_out_of.rules[0], "signed_by", 3),
        lambda envelope: setattr(envelope.rule.n_out_of.rules[0], "signed_by", -1),
        lambda envelope: envelope.rule.n_out_of.rules[0].ClearField("Type"),
        lambda envelope: envelope.ClearField("rule"),
        lambda envelope: setattr(envelope.identities[0], "principal", b"\xff"),
    ],
    ids=["version", "index too high", "index negative", "rule empty", "no rule", "principal garbled"],
)
def test_malformed_signature_policy(change: Any) -> None:
    envelope = peers_of(2, "A", "B", "C")
    change(envelope)
    with pytest.raises(DecodeError):
        SignaturePolicy.from_bytes(serialized(envelope))


def signature(envelope: Any) -> Any:
    return configtx_pb2.ConfigPolicy(policy=policies_pb2.Policy(type=1, value=serialized(envelope)))


def meta(rule: str, name: str = "Writers") -> Any:
    value = policies_pb2.ImplicitMetaPolicy(rule=rule, sub_policy=name)
    return configtx_pb2.ConfigPolicy(policy=policies_pb2.Policy(type=3, value=serialized(value)))


def manager(**policies: Any) -> PolicyManager:
    """Four groups below the application's, the last of which has no Writers."""
    root = configtx_pb2.ConfigGroup()
    application = root.groups["Application"]
    for name in "ABC":
        application.groups[name].policies["Writers"].CopyFrom(signature(peers_of(1, name)))
    application.groups["D"].mod_policy = "Admins"
    for name, policy in policies.items():
        application.policies[name].CopyFrom(policy)
    return PolicyManager(root)


@pytest.mark.parametrize(
    ("rule", "signers", "satisfied"),
    [
        ("ANY", "C", True),
        ("ANY", "X", False),
        ("MAJORITY", "AB", False),  # four groups count, also the one that has no such policy
        ("MAJORITY", "ABC", True),
        ("ALL", "ABC", False),
    ],
)
def test_implicit_meta(rule: str, signers: str, satisfied: bool) -> None:
    policy = manager(Writers=meta(rule)).policy("/Channel/Application/Writers")
    assert isinstance(policy, ImplicitMetaPolicy)
    assert policy.satisfied_by(people(*signers)) is satisfied


@pytest.mark.parametrize("rule", ["ANY", "ALL", "MAJORITY"])
def test_implicit_meta_over_nothing_is_satisfied(rule: str) -> None:
    root = configtx_pb2.ConfigGroup()
    root.policies["Writers"].CopyFrom(meta(rule))
    assert PolicyManager(root).policy("Writers").satisfied_by(())


def test_lookup() -> None:
    policies = manager(Writers=meta("ANY"))
    assert policies.policy("Application/A/Writers").satisfied_by(people("A"))
    assert policies.policy("/Channel/Application/A/Writers").satisfied_by(people("A"))
    for path in ("", "/", "Nope", "/Channel", "/Other/Writers", "/Channel/Application/D/Writers", "A/B/C/D"):
        assert isinstance(policies.policy(path), NoSuchPolicy)
        assert not policies.policy(path).satisfied_by(people("A"))


def test_application_policy() -> None:
    policies = manager(Writers=meta("ANY"))
    reference = policies_pb2.ApplicationPolicy(channel_config_policy_reference="/Channel/Application/Writers")
    assert policies.application_policy(serialized(reference)).satisfied_by(people("B"))
    own = policies_pb2.ApplicationPolicy(signature_policy=peers_of(1, "Z"))
    assert policies.application_policy(serialized(own)).satisfied_by(people("Z"))
    for malformed in (b"", b"\xff"):
        with pytest.raises(DecodeError):
            policies.application_policy(malformed)


@pytest.mark.parametrize(
    ("kind", "value"), [(0, b""), (2, b""), (1, b"\xff"), (3, b"\xff"), (3, b"\x10\x09")]
)
def test_malformed_channel_policy(kind: int, value: bytes) -> None:
    policy = configtx_pb2.ConfigPolicy(policy=policies_pb2.Policy(type=kind, value=value))
    with pytest.raises(DecodeError):
        manager(Writers=policy)
