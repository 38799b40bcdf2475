"""Chaincode definitions as the channel agreed on them, read from the ledger's own state.

A definition says which endorsement policy guards a chaincode. It stands in the namespace `_lifecycle`, a key
for each field:

    namespaces/metadata/<chaincode>                  StateMetadata: the type, "ChaincodeDefinition"
    namespaces/fields/<chaincode>/Sequence           StateData with a number
    namespaces/fields/<chaincode>/EndorsementInfo    StateData with a ChaincodeEndorsementInfo
    namespaces/fields/<chaincode>/ValidationInfo     StateData with a ChaincodeValidationInfo: the policy
    namespaces/fields/<chaincode>/Collections        StateData with a CollectionConfigPackage

so following the chain's writes is enough to know the policy at every block. The definitions themselves change
under the channel's LifecycleEndorsement policy, and what an organisation approves goes into its own implicit
collection under its own Endorsement policy.

Source: Fabric v3.1 `core/chaincode/lifecycle/{lifecycle,serializer,deployedcc_infoprovider}.go`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2

from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.errors import DecodeError
from veilmesh_fabric.policy import (
    LIFECYCLE_ENDORSEMENT_POLICY,
    NoSuchPolicy,
    OutOf,
    Policy,
    SignaturePolicy,
    SignedBy,
)
from veilmesh_fabric.principals import Role, RolePrincipal
from veilmesh_fabric.wire import decode
from veilmesh_fabric.world_state import State, StateKey

LIFECYCLE = "_lifecycle"
IMPLICIT_COLLECTION = "_implicit_org_"
_DEFINITION = "ChaincodeDefinition"


@dataclass(frozen=True, slots=True)
class Collection:
    name: str
    endorsement_policy: bytes  # ApplicationPolicy; empty: the chaincode's own holds
    block_to_live: int  # after how many blocks its data vanish; 0: never


@dataclass(frozen=True, slots=True)
class ChaincodeDefinition:
    name: str
    sequence: int
    version: str
    validation_plugin: str
    endorsement_policy: bytes  # ApplicationPolicy
    collections: Mapping[str, Collection]


def chaincode_definition(state: State, name: str) -> ChaincodeDefinition | None:
    """Return the committed definition of a chaincode, or None where there is none.

    Raises:
        DecodeError: what stands in the state is not one.
    """
    entry = state.get(StateKey(LIFECYCLE, "", f"namespaces/metadata/{name}"))
    if entry is None or entry.value is None:
        return None
    metadata = decode(db_pb2.StateMetadata, entry.value, f"metadata of chaincode {name}")
    if metadata.datatype != _DEFINITION:
        raise DecodeError(f"{name} is defined as {metadata.datatype!r}, not as a chaincode")
    validation = decode(
        chaincode_definition_pb2.ChaincodeValidationInfo,
        _field(state, name, "ValidationInfo").Bytes,
        f"validation info of {name}",
    )
    endorsement = decode(
        chaincode_definition_pb2.ChaincodeEndorsementInfo,
        _field(state, name, "EndorsementInfo").Bytes,
        f"endorsement info of {name}",
    )
    return ChaincodeDefinition(
        name=name,
        sequence=_field(state, name, "Sequence").Int64,
        version=endorsement.version,
        validation_plugin=validation.validation_plugin,
        endorsement_policy=validation.validation_parameter,
        collections=_collections(_field(state, name, "Collections").Bytes, name),
    )


def _field(state: State, chaincode: str, field: str) -> Any:
    entry = state.get(StateKey(LIFECYCLE, "", f"namespaces/fields/{chaincode}/{field}"))
    value = (entry.value if entry else None) or b""
    return decode(db_pb2.StateData, value, f"{field} of chaincode {chaincode}")


def _collections(data: bytes, chaincode: str) -> Mapping[str, Collection]:
    package = decode(collection_pb2.CollectionConfigPackage, data, f"collections of {chaincode}")
    static = [config.static_collection_config for config in package.config]
    return {
        config.name: Collection(
            name=config.name,
            endorsement_policy=(
                config.endorsement_policy.SerializeToString()
                if config.HasField("endorsement_policy")
                else b""
            ),
            block_to_live=config.block_to_live,
        )
        for config in static
    }


def lifecycle_policy(config: ChannelConfig) -> Policy:
    """Return who must endorse a definition: the channel's policy, or else members of most organisations."""
    policy = config.policies.policy(LIFECYCLE_ENDORSEMENT_POLICY)
    if not isinstance(policy, NoSuchPolicy):
        return policy
    members = [organization.msp_id for organization in config.application.organizations]
    return SignaturePolicy(OutOf(len(members) // 2 + 1, tuple(_member(msp_id) for msp_id in members)))


def implicit_collection_policy(config: ChannelConfig, collection: str) -> Policy | None:
    """Return who must endorse writes to an organisation's own collection.

    None where `collection` is not named as such a collection.
    """
    if not collection.startswith(IMPLICIT_COLLECTION):
        return None
    msp_id = collection.removeprefix(IMPLICIT_COLLECTION)
    for organization in config.application.organizations:
        if organization.msp_id == msp_id:
            policy = config.policies.policy(f"/Channel/Application/{organization.name}/Endorsement")
            if not isinstance(policy, NoSuchPolicy):
                return policy
            return SignaturePolicy(OutOf(1, (_member(msp_id),)))
    return NoSuchPolicy(f"organisation {msp_id} of collection {collection}")


def _member(msp_id: str) -> SignedBy:
    return SignedBy(RolePrincipal(msp_id, Role.MEMBER))
