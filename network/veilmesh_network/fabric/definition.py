"""A chaincode's definition on the channel: each member approves it, then one of them commits it.

A member approves under the id of the package that its own peer has installed. What is committed is the same
for all: name, version, sequence and the endorsement policy, here the channel's own.

Source: Fabric `core/chaincode/lifecycle/scc.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import policies_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2
from veilmesh_fabric.contract import Contract
from veilmesh_fabric.policy import ENDORSEMENT_POLICY


@dataclass(frozen=True, slots=True)
class Definition:
    """What the members agree on."""

    name: str
    version: str
    sequence: int

    @property
    def label(self) -> str:
        """The label of this version's packages."""
        return f"{self.name}_{self.version}"


async def approve(lifecycle: Contract, definition: Definition, package_id: str, msp_id: str) -> None:
    """Approve a definition for one organisation; return when that is committed.

    Args:
        lifecycle: the contract `_lifecycle`, used as the organisation's admin through its own peer.
        definition: what is approved.
        package_id: what its peer has installed.
        msp_id: the organisation.

    Raises:
        GatewayError, CommitError: it was not committed.
    """
    request = lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs(
        **_agreed_on(definition),
        source=lifecycle_pb2.ChaincodeSource(
            local_package=lifecycle_pb2.ChaincodeSource.Local(package_id=package_id)
        ),
    )
    await lifecycle.submit(
        "ApproveChaincodeDefinitionForMyOrg", request.SerializeToString(), endorsing_organizations=[msp_id]
    )


async def commit(lifecycle: Contract, definition: Definition, msp_ids: Sequence[str]) -> None:
    """Commit a definition that enough members have approved; return when that stands in a block.

    Args:
        lifecycle: as `approve`.
        definition: what is committed.
        msp_ids: whose peers endorse it: enough for the channel's LifecycleEndorsement.

    Raises:
        GatewayError, CommitError: it was not committed.
    """
    request = lifecycle_pb2.CommitChaincodeDefinitionArgs(**_agreed_on(definition))
    await lifecycle.submit(
        "CommitChaincodeDefinition", request.SerializeToString(), endorsing_organizations=msp_ids
    )


def _agreed_on(definition: Definition) -> dict[str, Any]:
    """Return the fields of both messages that have to be the same for all members."""
    policy = policies_pb2.ApplicationPolicy(channel_config_policy_reference=ENDORSEMENT_POLICY)
    return {
        "name": definition.name,
        "version": definition.version,
        "sequence": definition.sequence,
        "validation_parameter": policy.SerializeToString(),
    }
