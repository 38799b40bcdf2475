"""Identities of every kind that may knock at the contracts, made by a network's own authorities."""

from veilmesh_fabric import SigningIdentity
from veilmesh_network.certificates import NodeRole
from veilmesh_network.network import Network


def new_caller(
    network: Network, msp_id: str, role: str, *, node_ou: NodeRole = NodeRole.CLIENT
) -> SigningIdentity:
    """Return a new identity of an organisation.

    Args:
        network: whose authorities issue it.
        msp_id: the organisation.
        role: the attribute; none where it is empty.
        node_ou: what its certificate says that it is.
    """
    organisation = network.organisation(msp_id)
    attributes = {"role": role} if role else {}
    pair = organisation.signing.issue_signing(
        f"caller.{organisation.domain}", role=node_ou, attributes=attributes
    )
    return SigningIdentity.from_pem(msp_id, pair.certificate_pem, pair.key_pem)
