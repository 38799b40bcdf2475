"""Whether a transaction's endorsers are those it needs.

Every chaincode that a transaction writes to is judged by itself. Each key written, its value or its metadata,
falls under one policy:

1. the key's own, if its metadata hold one (VALIDATION_PARAMETER), as committed before this block; if an
   earlier transaction of the same block, itself sufficiently endorsed, changes the key's metadata, nothing
   satisfies it;
2. otherwise that of the private collection the key belongs to, if there is one;
3. otherwise the chaincode's.

All policies so found must be satisfied; where there is none, because nothing was written, the chaincode's.

Source: Fabric v3.1 `core/common/validation/statebased/{validator_keylevel,v20,vpmanagerimpl}.go` and
`core/committer/txvalidator/v20/plugindispatcher/dispatcher.go`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from fabric_protos.peer import transaction_pb2

from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.committed_transaction import ChaincodeAction
from veilmesh_fabric.errors import DecodeError
from veilmesh_fabric.lifecycle import (
    LIFECYCLE,
    ChaincodeDefinition,
    Collection,
    chaincode_definition,
    implicit_collection_policy,
    lifecycle_policy,
)
from veilmesh_fabric.msp import Identity
from veilmesh_fabric.policy import NoSuchPolicy, Policy, SignaturePolicy
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.rwset import VALIDATION_PARAMETER, NamespaceReadWriteSet
from veilmesh_fabric.world_state import State, StateKey

_BUILT_IN_PLUGIN = "vscc"


@dataclass(frozen=True, slots=True)
class EndorsementFailure:
    code: int  # TxValidationCode
    rule: Rule
    reason: str


@dataclass(frozen=True, slots=True)
class _Guards:
    """What guards one chaincode."""

    policy: Policy
    collections: Mapping[str, Collection] = field(default_factory=dict)


_Guarded: TypeAlias = StateKey | tuple[str, str] | str
"""What a policy guards: a key, a chaincode's collection, or a chaincode."""


class EndorsementPolicies:
    """The endorsement policies of a channel under one configuration, as the state defines them.

    Definitions are remembered until `forget_definitions`, to be called when `_lifecycle` was written.
    """

    def __init__(self, config: ChannelConfig, state: State) -> None:
        self._config = config
        self._state = state
        self._guards: dict[str, _Guards | EndorsementFailure] = {}
        self._application_policy = lru_cache(1024)(config.policies.application_policy)
        self._signature_policy = lru_cache(1024)(SignaturePolicy.from_bytes)
        self._satisfied = lru_cache(4096)(_satisfied)

    def forget_definitions(self) -> None:
        self._guards.clear()

    def block_to_live(self, chaincode: str, collection: str) -> int:
        """Return after how many blocks a private collection's data expire; 0: never."""
        guards = self._guards_of(chaincode)
        if isinstance(guards, EndorsementFailure) or collection not in guards.collections:
            return 0
        return guards.collections[collection].block_to_live

    def failure(
        self,
        action: ChaincodeAction,
        endorsers: tuple[Identity, ...],
        changed_in_block: set[StateKey],
    ) -> EndorsementFailure | None:
        """Judge one transaction.

        Args:
            action: what its endorsers signed.
            endorsers: whose signatures hold, in order, none twice.
            changed_in_block: keys whose metadata earlier, sufficiently endorsed transactions of the block
                write; this transaction's are added for each chaincode it is sufficiently endorsed for.
        """
        failure = None
        parts: dict[str, NamespaceReadWriteSet | None] = {action.chaincode: None}
        parts.update((part.namespace, part) for part in action.results.namespaces if part.writes_anything)
        for name, part in sorted(parts.items()):
            found = self._namespace_failure(name, part, endorsers, changed_in_block)
            if found is None and part is not None:
                changed_in_block.update(_metadata_keys(part))
            failure = failure or found
        return failure

    def _namespace_failure(
        self,
        name: str,
        part: NamespaceReadWriteSet | None,
        endorsers: tuple[Identity, ...],
        changed_in_block: set[StateKey],
    ) -> EndorsementFailure | None:
        guards = self._guards_of(name)
        if isinstance(guards, EndorsementFailure):
            return guards
        policies: dict[Policy, _Guarded] = {}
        for key in _written_keys(part) if part else ():
            policy, guarded = self._policy_of_key(key, guards, changed_in_block)
            policies[policy] = guarded
        if not policies:
            policies[guards.policy] = name
        for policy, guarded in policies.items():
            if not self._satisfied(policy, endorsers):
                said = ", ".join(map(str, endorsers)) or "nobody"
                return EndorsementFailure(
                    transaction_pb2.ENDORSEMENT_POLICY_FAILURE,
                    Rule.ENDORSEMENT,
                    f"endorsement policy of {_named(guarded)} wants {policy}, and {said} endorsed",
                )
        return None

    def _policy_of_key(
        self, key: StateKey, guards: _Guards, changed_in_block: set[StateKey]
    ) -> tuple[Policy, _Guarded]:
        """Return the policy a written key falls under, and what it is the policy of."""
        if key in changed_in_block:
            return NoSuchPolicy("its metadata changed earlier in this block"), key
        entry = self._state.get(key)
        own = entry.metadata.get(VALIDATION_PARAMETER) if entry else None
        if own:
            return _readable(self._signature_policy, own), key
        if key.collection:
            policy = self._collection_policy(key, guards)
            if policy is not None:
                return policy, (key.namespace, key.collection)
        return guards.policy, key.namespace

    def _collection_policy(self, key: StateKey, guards: _Guards) -> Policy | None:
        implicit = implicit_collection_policy(self._config, key.collection)
        if implicit is not None:
            return implicit
        collection = guards.collections.get(key.collection)
        if collection is None:
            return NoSuchPolicy(f"no such collection: {key.collection}")
        own = collection.endorsement_policy
        return _readable(self._application_policy, own) if own else None

    def _guards_of(self, chaincode: str) -> _Guards | EndorsementFailure:
        guards = self._guards.get(chaincode)
        if guards is None:
            guards = self._guards[chaincode] = self._read_guards(chaincode)
        return guards

    def _read_guards(self, name: str) -> _Guards | EndorsementFailure:
        if name == LIFECYCLE:
            return _Guards(lifecycle_policy(self._config))
        try:
            definition = chaincode_definition(self._state, name)
        except DecodeError as err:
            return _not_defined(str(err))
        if definition is None:
            return _not_defined(f"chaincode {name!r} is not defined on this channel")
        return self._guards_by(definition)

    def _guards_by(self, definition: ChaincodeDefinition) -> _Guards | EndorsementFailure:
        if definition.validation_plugin != _BUILT_IN_PLUGIN:
            return _not_defined(
                f"chaincode {definition.name!r} is validated by plugin {definition.validation_plugin!r}, "
                f"whose decisions cannot be followed"
            )
        if not definition.endorsement_policy:
            return _not_defined(f"chaincode {definition.name!r} is defined without endorsement policy")
        return _Guards(
            _readable(self._application_policy, definition.endorsement_policy),
            definition.collections,
        )


def _satisfied(policy: Policy, endorsers: tuple[Identity, ...]) -> bool:
    return policy.satisfied_by(endorsers)


def _named(guarded: _Guarded) -> str:
    match guarded:
        case StateKey(namespace, _, key):
            return f"key {key!r} of {namespace}"
        case (namespace, collection):
            return f"collection {collection} of {namespace}"
        case _:
            return f"chaincode {guarded}"


def _not_defined(reason: str) -> EndorsementFailure:
    return EndorsementFailure(transaction_pb2.INVALID_CHAINCODE, Rule.CHAINCODE, reason)


def _readable(read: Callable[[bytes], Policy], data: bytes) -> Policy:
    try:
        return read(data)
    except DecodeError as err:
        return NoSuchPolicy(str(err))


def _written_keys(part: NamespaceReadWriteSet) -> list[StateKey]:
    keys = [StateKey(part.namespace, "", write.key) for write in part.writes]
    for collection in part.collections:
        keys += [StateKey(part.namespace, collection.name, hashed.key_hash) for hashed in collection.writes]
    return keys + _metadata_keys(part)


def _metadata_keys(part: NamespaceReadWriteSet) -> list[StateKey]:
    keys = [StateKey(part.namespace, "", write.key) for write in part.metadata_writes]
    for collection in part.collections:
        keys += [
            StateKey(part.namespace, collection.name, hashed.key_hash)
            for hashed in collection.metadata_writes
        ]
    return keys
