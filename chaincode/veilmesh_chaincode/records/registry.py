"""Who belongs to the consortium: organisations, their nodes, and the face models they agreed on."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from veilmesh_chaincode.records.base import ChangingRecord, Distinct, Document, MspId, Name, Sha256Hex, Text

MAX_MEMBERS = 256

Endpoint = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]{3,255}:[0-9]{1,5}$")]  # host:port
Members = Annotated[list[MspId], Field(min_length=1, max_length=MAX_MEMBERS), Distinct]
Auditors = Annotated[list[MspId], Field(max_length=64), Distinct]
PublicKeyHex = Annotated[str, Field(pattern=r"^([0-9a-f]{2}){32,4096}$")]


class NodeRole(StrEnum):
    OWNER = "owner"  # enrols people and holds their templates
    RELYING = "relying"  # asks whether a probe matches a reference
    DECIDER = "decider"  # concludes authentications
    WORKER = "worker"  # lends its machine to the cluster


NodeRoles = Annotated[list[NodeRole], Field(min_length=1, max_length=4), Distinct]


class NodeStatus(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class Consortium(ChangingRecord):
    """The organisations that vote, and those that only read.

    A pending vote names the consortium's `version` under which it was last counted. An organisation that
    was expelled and admitted again has a later `member_since`, so its votes of before are gone for good.
    """

    members: Members
    auditors: Auditors
    version: int  # 1 at the founding; + 1 with every change of the members
    member_since: dict[MspId, int]  # the version that made each member one


class MembershipProposal(ChangingRecord):
    """The last vote on one organisation's place among the members; open until a majority carried it."""

    msp_id: MspId
    admit: bool
    approvals: list[MspId]
    consortium_version: int  # under which the approvals were last counted
    carried: bool
    opened_at_s: int


class Node(ChangingRecord):
    node_id: Name
    msp_id: MspId
    identity_sha256: Sha256Hex  # of the SubjectPublicKeyInfo, so that a renewed certificate is the same node
    endpoint: Endpoint
    tls_certificate_sha256: Sha256Hex  # of the DER certificate
    sealing_suite: Text
    sealing_public_key: PublicKeyHex
    roles: NodeRoles
    status: NodeStatus
    approvals: list[MspId]
    suspension_votes: list[MspId]  # of members other than the node's own
    consortium_version: int  # under which both votes were last counted
    registered_at_s: int


class NodeName(Document):
    """Which node an identity speaks for."""

    identity_sha256: Sha256Hex
    node_id: Name


class ModelStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    RETIRED = "retired"


class Model(ChangingRecord):
    """Weights of a face encoder or of an anonymizer's generator, named by the SHA-256 of the file.

    Features of two encoders never mix.
    """

    model_digest: Sha256Hex
    name: Text
    status: ModelStatus
    approvals: list[MspId]
    retirement_votes: list[MspId]
    consortium_version: int  # under which both votes were last counted


# --- requests ---------------------------------------------------------------------------------------------


class FoundConsortium(Document):
    """registry:FoundConsortium, once, by an operator of one of `members`."""

    members: Members
    auditors: Auditors


class ChangeMembership(Document):
    """registry:AdmitOrganisation and registry:ExpelOrganisation: one member's vote."""

    msp_id: MspId


class RegisterNode(Document):
    """registry:RegisterNode. Registering again replaces the node's keys and returns it to pending."""

    node_id: Name
    endpoint: Endpoint
    tls_certificate_sha256: Sha256Hex
    sealing_suite: Text
    sealing_public_key: PublicKeyHex
    roles: NodeRoles


class NodeId(Document):
    """registry:ApproveNode, SuspendNode, RetireNode, GetNode."""

    node_id: Name


class NodeIdentity(Document):
    """registry:NodeOfIdentity."""

    identity_sha256: Sha256Hex


class ApproveModel(Document):
    """registry:ApproveModel: one member's vote; the first vote proposes the model."""

    model_digest: Sha256Hex
    name: Text


class ModelDigest(Document):
    """registry:RetireModel (one member's vote) and registry:GetModel."""

    model_digest: Sha256Hex
