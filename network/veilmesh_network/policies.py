"""The policies that a channel's configuration is written with.

Three forms: any or a majority of the groups below; so many of these principals; and more than half of the
member organisations, spelled out (`genesis.py` says why).
"""

from collections.abc import Sequence

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

from veilmesh_network.certificates import NodeRole

ADMINS = "Admins"
"""The policy that must agree to changes: every group has one, and every element names it."""

_ROLE_TYPES = {
    NodeRole.ADMIN: msp_principal_pb2.MSPRole.ADMIN,
    NodeRole.CLIENT: msp_principal_pb2.MSPRole.CLIENT,
    NodeRole.PEER: msp_principal_pb2.MSPRole.PEER,
    NodeRole.ORDERER: msp_principal_pb2.MSPRole.ORDERER,
}


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
