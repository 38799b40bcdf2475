"""The policies that a channel's configuration is written with.

Two forms: any or a majority of the groups below; and so many of these principals. What /Channel/Application
says of its organisations is of the second form, every organisation by name (`genesis.py` says why), so all of
it follows from who they are: `application_policies`.
"""

from collections.abc import Mapping, Sequence

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

from veilmesh_network.certificates import NodeRole

ADMINS = "Admins"
"""The policy that must agree to changes: every group has one, and every element names it."""

READERS, WRITERS = "Readers", "Writers"
ENDORSEMENT, LIFECYCLE_ENDORSEMENT = "Endorsement", "LifecycleEndorsement"

_ROLE_TYPES = {
    NodeRole.ADMIN: msp_principal_pb2.MSPRole.ADMIN,
    NodeRole.CLIENT: msp_principal_pb2.MSPRole.CLIENT,
    NodeRole.PEER: msp_principal_pb2.MSPRole.PEER,
    NodeRole.ORDERER: msp_principal_pb2.MSPRole.ORDERER,
}


def application_policies(
    members: Sequence[str], auditors: Sequence[str]
) -> Mapping[str, policies_pb2.Policy]:
    """Return the policies of /Channel/Application by name, for organisations by MSP id."""
    return {
        READERS: readers(members, auditors),
        WRITERS: writers(members),
        ADMINS: majority_of_members(members, NodeRole.ADMIN),
        ENDORSEMENT: majority_of_members(members, NodeRole.PEER),
        LIFECYCLE_ENDORSEMENT: majority_of_members(members, NodeRole.PEER),
    }


def readers(members: Sequence[str], auditors: Sequence[str]) -> policies_pb2.Policy:
    """Return the policy of all who read. Who asks most often is named, and looked for, first."""
    everybody = [*members, *auditors]
    return signatures(
        1,
        [
            *(principal(msp_id, NodeRole.CLIENT) for msp_id in everybody),
            *(principal(msp_id, NodeRole.PEER) for msp_id in members),
            *(principal(msp_id, NodeRole.ADMIN) for msp_id in everybody),
        ],
    )


def writers(members: Sequence[str]) -> policies_pb2.Policy:
    """Return the policy of all who write."""
    roles = (NodeRole.CLIENT, NodeRole.ADMIN)
    return signatures(1, [principal(msp_id, role) for role in roles for msp_id in members])


def majority_of_members(msp_ids: Sequence[str], role: NodeRole) -> policies_pb2.Policy:
    """Return the policy of more than half of these organisations, one identity of `role` each."""
    return signatures(len(msp_ids) // 2 + 1, [principal(msp_id, role) for msp_id in msp_ids])


def majority_of_groups() -> policies_pb2.Policy:
    """Return the policy that more than half of the groups below satisfy their own `Admins`."""
    return implicit("MAJORITY", ADMINS)


def implicit(rule: str, sub_policy: str) -> policies_pb2.Policy:
    """Return the policy that asks the groups below for `sub_policy`: "ANY", "ALL" or "MAJORITY" of them."""
    meta = policies_pb2.ImplicitMetaPolicy(rule=rule, sub_policy=sub_policy)
    return policies_pb2.Policy(type=policies_pb2.Policy.IMPLICIT_META, value=meta.SerializeToString())


def signatures(needed: int, principals: Sequence[msp_principal_pb2.MSPPrincipal]) -> policies_pb2.Policy:
    """Return the policy that so many of the principals sign."""
    rules = [policies_pb2.SignaturePolicy(signed_by=index) for index in range(len(principals))]
    envelope = policies_pb2.SignaturePolicyEnvelope(
        rule=policies_pb2.SignaturePolicy(
            n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=needed, rules=rules)
        ),
        identities=principals,
    )
    return policies_pb2.Policy(type=policies_pb2.Policy.SIGNATURE, value=envelope.SerializeToString())


def principal(msp_id: str, role: NodeRole | None) -> msp_principal_pb2.MSPPrincipal:
    """Return "an organisation's `role`", or without one "its member"."""
    kind = msp_principal_pb2.MSPRole.MEMBER if role is None else _ROLE_TYPES[role]
    message = msp_principal_pb2.MSPRole(msp_identifier=msp_id, role=kind)
    return msp_principal_pb2.MSPPrincipal(
        principal_classification=msp_principal_pb2.MSPPrincipal.ROLE, principal=message.SerializeToString()
    )
