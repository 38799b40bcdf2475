"""A short life of a consortium in which every function of the chaincode is called once, successfully."""

from collections.abc import Iterator
from dataclasses import dataclass

from veilmesh_chaincode.records.audit import GetStatistics, GetTrail, LogAccess, LogSearch
from veilmesh_chaincode.records.authentication import (
    AttemptsKey,
    AuthenticationId,
    ConcludeAuthentication,
    ListAuthentications,
    Outcome,
)
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import (
    GetHistory,
    ListReferences,
    ReferenceKey,
    Renewal,
    RevocationReason,
    RevokeReference,
    ShareReference,
    UpdateReference,
)
from veilmesh_chaincode.records.merkle import leaf_hash
from veilmesh_chaincode.records.pages import PageRequest
from veilmesh_chaincode.records.policy import ProposalId, ProposePolicy, VotePolicy
from veilmesh_chaincode.records.registry import (
    ApproveModel,
    ChangeMembership,
    FoundConsortium,
    ModelDigest,
    NodeId,
    NodeIdentity,
)
from veilmesh_chaincode.records.release import AnchorBatch, MerkleRoot, VerifyInclusion
from veilmesh_chaincode.records.unsealing import UnsealingId
from veilmesh_chaincode.stub import Creator

from tests.unit.chaincode.consortium import (
    AUDITOR,
    MEMBERS,
    MODEL,
    START_S,
    TERMS,
    World,
    complete,
    digest,
    identity,
    node_name,
    node_registration,
    operator,
    registration,
    sidecar,
    unsealing_request,
)
from tests.unit.chaincode.memory_ledger import VALID, Transaction

OPERATOR, OTHER_OPERATOR = operator("Org1MSP"), operator("Org2MSP")
NODE, OTHER_NODE = sidecar("Org1MSP"), sidecar("Org2MSP")
AN_AUDITOR = identity(AUDITOR, "auditor")
REFERENCE = registration().reference_id
LEAF = leaf_hash(b"receipt").hex()


@dataclass(frozen=True, slots=True)
class Step:
    who: Creator
    function: str
    request: Document | None
    tx_id: str


def search() -> LogSearch:
    return LogSearch(
        purpose="identification",
        model_digest=MODEL,
        picture_commitment=LEAF,
        face_count=3,
        gallery_count=1000,
        match_count=1,
    )


def _steps() -> list[Step]:
    reference = ReferenceKey(reference_id=REFERENCE)
    update = UpdateReference(**dict(registration()), version=1, renewal=Renewal.COMPARED)
    opening = World().opening(REFERENCE)
    script: list[tuple[Creator, str, Document | None]] = [
        (OPERATOR, "registry:FoundConsortium", FoundConsortium(members=[*MEMBERS], auditors=[AUDITOR])),
        (OPERATOR, "registry:AdmitOrganisation", ChangeMembership(msp_id="Org4MSP")),
        (OPERATOR, "registry:ExpelOrganisation", ChangeMembership(msp_id="Org3MSP")),
        (OPERATOR, "registry:GetConsortium", None),
        (NODE, "registry:RegisterNode", node_registration("Org1MSP")),
        (OPERATOR, "registry:ApproveNode", NodeId(node_id=node_name("Org1MSP"))),
        (OTHER_OPERATOR, "registry:ApproveNode", NodeId(node_id=node_name("Org1MSP"))),
        (OTHER_NODE, "registry:RegisterNode", node_registration("Org2MSP")),
        (OPERATOR, "registry:ApproveNode", NodeId(node_id=node_name("Org2MSP"))),
        (OTHER_OPERATOR, "registry:ApproveNode", NodeId(node_id=node_name("Org2MSP"))),
        (OPERATOR, "registry:GetNode", NodeId(node_id=node_name("Org1MSP"))),
        (OPERATOR, "registry:ListNodes", PageRequest()),
        (OPERATOR, "registry:NodeOfIdentity", NodeIdentity(identity_sha256=NODE.identity_sha256)),
        (OPERATOR, "registry:ApproveModel", ApproveModel(model_digest=MODEL, name="dlib")),
        (OTHER_OPERATOR, "registry:ApproveModel", ApproveModel(model_digest=MODEL, name="dlib")),
        (OPERATOR, "registry:GetModel", ModelDigest(model_digest=MODEL)),
        (OPERATOR, "registry:ListModels", PageRequest()),
        (OPERATOR, "policy:Propose", ProposePolicy(base_version=0, terms=TERMS)),
        (OPERATOR, "policy:GetProposal", ProposalId(proposal_id=digest("life", 17))),
        (OTHER_OPERATOR, "policy:Vote", VotePolicy(proposal_id=digest("life", 17), approve=True)),
        (OPERATOR, "policy:Current", None),
        (OPERATOR, "policy:History", PageRequest()),
        (NODE, "enrolment:Register", registration()),
        (NODE, "enrolment:Share", ShareReference(reference_id=REFERENCE, msp_id="Org2MSP")),
        (NODE, "enrolment:Update", update),
        (OPERATOR, "enrolment:Get", reference),
        (OPERATOR, "enrolment:List", ListReferences(owner_msp_id="Org1MSP")),
        (OPERATOR, "enrolment:History", GetHistory(reference_id=REFERENCE)),
        (OTHER_NODE, "authentication:Open", opening),
        (
            NODE,
            "authentication:Conclude",
            ConcludeAuthentication(authentication_id=digest("life", 28), outcome=Outcome.NO_MATCH),
        ),
        (OTHER_NODE, "authentication:Open", opening),
        (OTHER_NODE, "authentication:Cancel", AuthenticationId(authentication_id=digest("life", 30))),
        (NODE, "authentication:Get", AuthenticationId(authentication_id=digest("life", 30))),
        (NODE, "authentication:List", ListAuthentications(reference_id=REFERENCE)),
        (
            NODE,
            "authentication:Attempts",
            AttemptsKey(reference_id=REFERENCE, relying_msp_id="Org2MSP"),
        ),
        (
            NODE,
            "enrolment:Revoke",
            RevokeReference(reference_id=REFERENCE, reason=RevocationReason.SUPERSEDED),
        ),
        (NODE, "enrolment:Erase", reference),
        (NODE, "release:Anchor", AnchorBatch(merkle_root=LEAF, leaf_count=1)),
        (NODE, "release:GetAnchor", MerkleRoot(merkle_root=LEAF)),
        (
            NODE,
            "release:Verify",
            VerifyInclusion(merkle_root=LEAF, leaf_hash=LEAF, leaf_index=0, proof=[]),
        ),
        (OTHER_OPERATOR, "release:Unseal", unsealing_request()),
        (OPERATOR, "release:ConsentUnsealing", UnsealingId(unsealing_id=digest("life", 40))),
        (NODE, "release:FulfilUnsealing", UnsealingId(unsealing_id=digest("life", 40))),
        (OTHER_OPERATOR, "release:Unseal", unsealing_request(2)),
        (OPERATOR, "release:RefuseUnsealing", UnsealingId(unsealing_id=digest("life", 43))),
        (AN_AUDITOR, "release:GetUnsealing", UnsealingId(unsealing_id=digest("life", 40))),
        (AN_AUDITOR, "release:ListUnsealings", PageRequest()),
        (AN_AUDITOR, "audit:Trail", GetTrail(reference_id=REFERENCE)),
        (AN_AUDITOR, "audit:Statistics", GetStatistics()),
        (AN_AUDITOR, "audit:LogAccess", LogAccess(question="who verified this reference?")),
        (OPERATOR, "audit:ListAccess", PageRequest()),
        (NODE, "audit:LogSearch", search()),
        (AN_AUDITOR, "audit:ListSearches", PageRequest()),
        (OPERATOR, "registry:RetireModel", ModelDigest(model_digest=MODEL)),
        (OPERATOR, "registry:SuspendNode", NodeId(node_id=node_name("Org2MSP"))),
        (OPERATOR, "registry:RetireNode", NodeId(node_id=node_name("Org1MSP"))),
    ]
    return [Step(*entry, tx_id=digest("life", number)) for number, entry in enumerate(script)]


STEPS = _steps()


def live() -> Iterator[tuple[World, Step, Transaction]]:
    """Yield the world before each step's commit, the step, and its simulation; then commit it."""
    world = World()
    for number, step in enumerate(STEPS):
        world.now_s = START_S + number
        transaction = complete(
            world.ledger.simulate(step.who, step.function, step.request, now_s=world.now_s, tx_id=step.tx_id)
        )
        yield world, step, transaction
        if transaction.stub.writes:
            assert world.ledger.commit(transaction) == VALID
