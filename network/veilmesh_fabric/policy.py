"""Policies: which sets of identities may do something.

A policy is asked about identities whose signatures have been verified already; it knows no bytes and no keys.
Three kinds occur in Fabric:

- a **signature policy** says "n out of" over principals. One identity counts once: a rule cannot use an
  identity that a rule before it, satisfied, has used (Fabric `common/cauthdsl/cauthdsl.go`);
- an **implicit meta policy** asks the policies of that name one level below, and needs any, all or a majority
  of them. Every group below counts, also one that lacks the policy (`common/policies/implicitmeta.go`);
- an **application policy**, which chaincode definitions hold, is either of them: a signature policy spelled
  out, or the path of a policy in the channel configuration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

from fabric_protos.common import policies_pb2

from veilmesh_fabric.errors import DecodeError
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.principals import Principal, principal_from_proto
from veilmesh_fabric.wire import decode

ENDORSEMENT_POLICY = "/Channel/Application/Endorsement"
LIFECYCLE_ENDORSEMENT_POLICY = "/Channel/Application/LifecycleEndorsement"
BLOCK_VALIDATION_POLICY = "/Channel/Orderer/BlockValidation"
CHANNEL_WRITERS_POLICY = "/Channel/Writers"
APPLICATION_WRITERS_POLICY = "/Channel/Application/Writers"
APPLICATION_READERS_POLICY = "/Channel/Application/Readers"

_REMEMBERED_DECISIONS = 4096


class Policy(Protocol):
    """Compared and hashed as an object."""

    def __hash__(self) -> int: ...

    def satisfied_by(self, identities: Sequence[Identity]) -> bool:
        """Decide on identities in the order their signatures stand, each `Identity.key` once at most."""
        ...


@dataclass(frozen=True, slots=True)
class SignedBy:
    principal: Principal

    def _spend(self, identities: Sequence[Identity], used: list[bool]) -> bool:
        for index, identity in enumerate(identities):
            if not used[index] and identity.satisfies(self.principal):
                used[index] = True
                return True
        return False

    def __str__(self) -> str:
        return str(self.principal)


@dataclass(frozen=True, slots=True)
class OutOf:
    """At least `needed` of the rules; without rules and with `needed` 0, always satisfied."""

    needed: int
    rules: tuple["Rule", ...]

    def _spend(self, identities: Sequence[Identity], used: list[bool]) -> bool:
        satisfied = 0
        for rule in self.rules:
            attempt = used.copy()
            if rule._spend(identities, attempt):  # noqa: SLF001 - the two kinds of rule are one idea
                satisfied += 1
                used[:] = attempt
        return satisfied >= self.needed

    def __str__(self) -> str:
        return f"{self.needed} of ({', '.join(map(str, self.rules))})"


Rule: TypeAlias = SignedBy | OutOf


@dataclass(frozen=True, slots=True, eq=False)
class SignaturePolicy:
    rule: Rule

    @classmethod
    def from_bytes(cls, data: bytes) -> "SignaturePolicy":
        """Read a `SignaturePolicyEnvelope` message.

        Raises:
            DecodeError: `data` is none, or names a principal that it does not list.
        """
        return cls.from_proto(decode(policies_pb2.SignaturePolicyEnvelope, data, "signature policy"))

    @classmethod
    def from_proto(cls, envelope: Any) -> "SignaturePolicy":
        if envelope.version != 0:
            raise DecodeError(f"signature policy has version {envelope.version}, only 0 is known")
        principals = [principal_from_proto(principal) for principal in envelope.identities]
        return cls(_rule_from_proto(envelope.rule, principals))

    def satisfied_by(self, identities: Sequence[Identity]) -> bool:
        return self.rule._spend(identities, [False] * len(identities))  # noqa: SLF001 - same module

    def __str__(self) -> str:
        return str(self.rule)


def _rule_from_proto(message: Any, principals: Sequence[Principal]) -> Rule:
    kind = message.WhichOneof("Type")
    if kind == "signed_by":
        if not 0 <= message.signed_by < len(principals):
            raise DecodeError(f"signature policy names principal {message.signed_by} of {len(principals)}")
        return SignedBy(principals[message.signed_by])
    if kind == "n_out_of":
        rules = tuple(_rule_from_proto(rule, principals) for rule in message.n_out_of.rules)
        return OutOf(message.n_out_of.n, rules)
    raise DecodeError("signature policy has a rule that is neither a principal nor n out of")


@dataclass(frozen=True, slots=True, eq=False)
class ImplicitMetaPolicy:
    """`needed` of the groups below must have their policy `name` satisfied."""

    name: str
    needed: int
    groups: Mapping[str, Policy]

    def satisfied_by(self, identities: Sequence[Identity]) -> bool:
        satisfied = 0
        for policy in self.groups.values():
            if satisfied >= self.needed:
                break
            satisfied += policy.satisfied_by(identities)
        return satisfied >= self.needed

    def __str__(self) -> str:
        return f"{self.name!r} of {self.needed} of ({', '.join(self.groups)})"


@dataclass(frozen=True, slots=True, eq=False)
class NoSuchPolicy:
    """What stands at a path where there is no policy: nothing satisfies it."""

    path: str

    def satisfied_by(self, identities: Sequence[Identity]) -> bool:  # noqa: ARG002 - the protocol's signature
        return False

    def __str__(self) -> str:
        return f"no policy at {self.path!r}"


class PolicyManager:
    """The policies of one configuration group and, by path, of the groups below it."""

    def __init__(self, group: Any, path: str = "/Channel") -> None:
        """Read the policies of a `ConfigGroup` message.

        Raises:
            DecodeError: a policy is malformed or of an unknown kind.
        """
        self.path = path
        self._groups = {
            name: PolicyManager(group.groups[name], f"{path}/{name}") for name in sorted(group.groups)
        }
        self._policies: dict[str, Policy] = {
            name: self._read(name, group.policies[name].policy) for name in sorted(group.policies)
        }
        self._satisfied = lru_cache(_REMEMBERED_DECISIONS)(self._decide)

    def policy(self, path: str) -> Policy:
        """Return the policy at an absolute path, as "/Channel/Orderer/Writers", or at one below here."""
        if path.startswith("/"):
            if not path.startswith(f"{self.path}/"):
                return NoSuchPolicy(path)
            path = path.removeprefix(f"{self.path}/")
        group, _, rest = path.partition("/")
        if rest:
            return self._groups[group].policy(rest) if group in self._groups else NoSuchPolicy(path)
        return self._policies.get(path, NoSuchPolicy(f"{self.path}/{path}"))

    def satisfied(self, path: str, identities: tuple[Identity, ...]) -> bool:
        """Whether `identities` satisfy the policy at a path, as `Policy.satisfied_by`; remembered."""
        return self._satisfied(path, identities)

    def group(self, names: Sequence[str]) -> "PolicyManager | None":
        """Return the manager of the group that many levels below, or None where there is no such group."""
        if not names:
            return self
        group = self._groups.get(names[0])
        return group.group(names[1:]) if group else None

    def application_policy(self, data: bytes) -> Policy:
        """Return the policy in an `ApplicationPolicy` message, its reference looked up from here.

        Raises:
            DecodeError: `data` is no such message, or holds neither kind.
        """
        message = decode(policies_pb2.ApplicationPolicy, data, "application policy")
        kind = message.WhichOneof("Type")
        if kind == "signature_policy":
            return SignaturePolicy.from_proto(message.signature_policy)
        if kind == "channel_config_policy_reference":
            return self.policy(message.channel_config_policy_reference)
        raise DecodeError("application policy holds neither a signature policy nor a reference")

    def _decide(self, path: str, identities: tuple[Identity, ...]) -> bool:
        return self.policy(path).satisfied_by(identities)

    def _read(self, name: str, message: Any) -> Policy:
        if message.type == policies_pb2.Policy.SIGNATURE:
            return SignaturePolicy.from_bytes(message.value)
        if message.type == policies_pb2.Policy.IMPLICIT_META:
            return self._read_implicit_meta(message.value)
        raise DecodeError(f"policy {self.path}/{name} is of unknown kind {message.type}")

    def _read_implicit_meta(self, data: bytes) -> ImplicitMetaPolicy:
        message = decode(policies_pb2.ImplicitMetaPolicy, data, f"policy below {self.path}")
        groups = {name: manager.policy(message.sub_policy) for name, manager in self._groups.items()}
        needed_by_rule = {
            policies_pb2.ImplicitMetaPolicy.ANY: 1,
            policies_pb2.ImplicitMetaPolicy.ALL: len(groups),
            policies_pb2.ImplicitMetaPolicy.MAJORITY: len(groups) // 2 + 1,
        }
        if message.rule not in needed_by_rule:
            raise DecodeError(f"policy below {self.path} has unknown rule {message.rule}")
        needed = needed_by_rule[message.rule] if groups else 0
        return ImplicitMetaPolicy(message.sub_policy, needed, groups)
