"""Who belongs to the consortium: organisations, their nodes, and the face models they agreed on."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from veilmesh_chaincode.records.base import Document, MspId, Name, Sha256Hex, Text


class NodeRole(StrEnum):
    OWNER = "owner"  # enrols people and holds their templates
    RELYING = "relying"  # asks whether a probe matches a reference
    DECIDER = "decider"  # concludes authentications
    WORKER = "worker"  # lends its machine to the cluster


class NodeStatus(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class Consortium(Document):
    """The organisations that vote, and those that only read."""

    members: Annotated[list[MspId], Field(min_length=1, max_length=256)]
    auditors: Annotated[list[MspId], Field(max_length=64)]
    updated_at_s: int


class MembershipProposal(Document):
    """A pending change of the member list, kept until a majority of the current members voted for it."""

    msp_id: MspId
    admit: bool
    approvals: list[MspId]
    opened_at_s: int


class Node(Document):
    node_id: Name
    msp_id: MspId
    identity_sha256: Sha256Hex  # of the SubjectPublicKeyInfo, so that a renewed certificate is the same node
    endpoint: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]{3,255}:[0-9]{1,5}$")]
    tls_certificate_sha256: Sha256Hex  # of the DER certificate
    sealing_suite: Text
    sealing_public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64,8192}$")]
    roles: Annotated[list[NodeRole], Field(min_length=1, max_length=4)]
    status: NodeStatus
    approvals: list[MspId]
    registered_at_s: int
    updated_at_s: int


class ModelStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    RETIRED = "retired"


class Model(Document):
    """A face encoder's weights, named by the SHA-256 of the file; features of two models never mix."""

    model_digest: Sha256Hex
    name: Text
    status: ModelStatus
    approvals: list[MspId]
    updated_at_s: int


# --- requests ---------------------------------------------------------------------------------------------


class FoundConsortium(Document):
    """registry:FoundConsortium, once, by an operator of one of `members`."""

    members: Annotated[list[MspId], Field(min_length=1, max_length=256)]
    auditors: Annotated[list[MspId], Field(max_length=64)]


class ChangeMembership(Document):
    """registry:AdmitOrganisation and registry:ExpelOrganisation: one member's vote."""

    msp_id: MspId


class RegisterNode(Document):
    """registry:RegisterNode. Registering again replaces the node's keys and returns it to pending."""

    node_id: Name
    endpoint: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]{3,255}:[0-9]{1,5}$")]
    tls_certificate_sha256: Sha256Hex
    sealing_suite: Text
    sealing_public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64,8192}$")]
    roles: Annotated[list[NodeRole], Field(min_length=1, max_length=4)]


class NodeId(Document):
    """registry:ApproveNode, SuspendNode, RetireNode, GetNode."""

    node_id: Name


class ApproveModel(Document):
    """registry:ApproveModel: one member's vote; the first vote proposes the model."""

    model_digest: Sha256Hex
    name: Text


class ModelDigest(Document):
    """registry:RetireModel (one member's vote) and registry:GetModel."""

    model_digest: Sha256Hex
