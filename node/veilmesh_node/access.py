"""Who may call what on a node: one table a service, one row a method.

On the exchange, the ledger says who the caller is: the node to which the authentication and its certificate
belong must have the role. On the organisation's own service, the client certificate's attribute `role`
counts.
"""

from collections.abc import Mapping

from veilmesh_chaincode.records.registry import NodeRole

from veilmesh_node.errors import PermissionDeniedError, UnauthenticatedError

EXCHANGE: Mapping[str, NodeRole] = {"SubmitProbe": NodeRole.RELYING}

OPERATOR, APPLICATION = "operator", "application"
_BOTH = frozenset({OPERATOR, APPLICATION})

API: Mapping[str, frozenset[str]] = {
    "GetStatus": _BOTH,
    "Enrol": _BOTH,
    "Update": _BOTH,
    "Replace": frozenset({OPERATOR}),  # sets a template aside without comparing
    "Revoke": _BOTH,
    "Erase": frozenset({OPERATOR}),  # cannot be taken back
    "ListReferences": _BOTH,
    "GetHistory": _BOTH,
    "GetSurrogate": _BOTH,
    "Verify": _BOTH,
    "Identify": _BOTH,
    "IssueReceipts": _BOTH,
    "Unseal": frozenset({OPERATOR}),  # gives a key out
}


def check_api(method: str, role: str) -> None:
    """Let a role through or refuse.

    Raises:
        UnauthenticatedError: the certificate names no role.
        PermissionDeniedError: it names one that may not call this.
    """
    if not role:
        raise UnauthenticatedError("the client certificate has no attribute `role`")
    if role not in API[method]:
        raise PermissionDeniedError(f"role {role[:32]} may not call {method}")
