"""A key's own endorsement policy: which organisations' peers must sign a change of it."""

from collections.abc import Iterable

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

VALIDATION_PARAMETER = "VALIDATION_PARAMETER"  # the metadata entry that Fabric's validator looks for


def all_of_peers(msp_ids: Iterable[str]) -> bytes:
    """Return the `SignaturePolicyEnvelope` "a peer of each": Fabric `shim/statebased`, `policyFromMSPIDs`."""
    ordered = sorted(set(msp_ids))
    rules = [policies_pb2.SignaturePolicy(signed_by=index) for index in range(len(ordered))]
    identities = [
        msp_principal_pb2.MSPPrincipal(
            principal_classification=msp_principal_pb2.MSPPrincipal.ROLE,
            principal=msp_principal_pb2.MSPRole(
                msp_identifier=msp_id, role=msp_principal_pb2.MSPRole.PEER
            ).SerializeToString(),
        )
        for msp_id in ordered
    ]
    envelope = policies_pb2.SignaturePolicyEnvelope(
        rule=policies_pb2.SignaturePolicy(
            n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=len(ordered), rules=rules)
        ),
        identities=identities,
    )
    return bytes(envelope.SerializeToString())
