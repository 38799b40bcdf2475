"""A consortium on the ledger in memory: three members and an auditor, with short words for what they do.

world = World()
await world.establish()                            # founded, nodes active, model approved, policy in force
reference = await world.enrol("Org1MSP")
authentication = await world.open("Org2MSP", reference.reference_id)
await world.conclude("Org1MSP", authentication.authentication_id, Outcome.MATCH)
"""

import hashlib
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from veilmesh_chaincode.records.authentication import (
    Attempts,
    AttemptsKey,
    Authentication,
    AuthenticationId,
    ConcludeAuthentication,
    OpenAuthentication,
    Outcome,
)
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import (
    Reference,
    ReferenceKey,
    RegisterReference,
    Renewal,
    UpdateReference,
)
from veilmesh_chaincode.records.policy import (
    ExchangeMode,
    GateLevel,
    PolicyProposal,
    ProposePolicy,
    Terms,
    VotePolicy,
)
from veilmesh_chaincode.records.registry import (
    ApproveModel,
    ChangeMembership,
    Consortium,
    FoundConsortium,
    MembershipProposal,
    Model,
    Node,
    NodeId,
    NodeRole,
    RegisterNode,
)
from veilmesh_chaincode.records.unsealing import RequestUnsealing, Unsealing, UnsealingId
from veilmesh_chaincode.stub import Creator

from tests.unit.chaincode.memory_ledger import MemoryLedger, Result

MEMBERS = ("Org1MSP", "Org2MSP", "Org3MSP")
AUDITOR = "AuditMSP"
MODEL = "b" * 64
START_S = 1_800_000_000

TERMS = Terms(
    threshold_micro=360_000,
    purposes=["travel", "payment", "identification"],
    exchange_modes=[ExchangeMode.SEALED],
    anonymizers=["mask", "cluster"],
    gate_level=GateLevel.STANDARD,
    attempt_limit=3,
    attempt_window_s=600,
    lock_out_s=900,
    authentication_expiry_s=120,
    reference_retention_s=100_000,
)

Value = TypeVar("Value")


def complete(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine that never waits, as all on the ledger in memory do, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: Value = done.value
        return value
    coroutine.close()
    raise AssertionError("the coroutine waits for something")


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def identity(msp_id: str, role: str, number: int = 1, node_ou: str = "client") -> Creator:
    attributes = {"role": role} if role else {}
    return Creator(msp_id, digest(msp_id, role, number), frozenset({node_ou}), attributes)


def operator(msp_id: str) -> Creator:
    return identity(msp_id, "operator")


def sidecar(msp_id: str, number: int = 1) -> Creator:
    return identity(msp_id, "node", number)


def node_name(msp_id: str, number: int = 1) -> str:
    return f"{msp_id.lower()}-node{number}"


def node_registration(
    msp_id: str, number: int = 1, roles: Sequence[NodeRole] = tuple(NodeRole)
) -> RegisterNode:
    return RegisterNode(
        node_id=node_name(msp_id, number),
        endpoint="node.example.com:7443",
        tls_certificate_sha256=digest("tls", msp_id, number),
        sealing_suite="ML-KEM-768 + X25519",
        sealing_public_key=digest("seal", msp_id, number),
        roles=list(roles),
    )


def registration(number: int = 1, **changes: Any) -> RegisterReference:
    request = RegisterReference(
        reference_id=digest("reference", number)[:32],
        template_commitment=digest("template", number),
        surrogate_cid="bafkreigh2akiscaildc",
        anonymizer="mask",
        receipt_sha256=digest("receipt", number),
        consent_sha256=digest("consent", number),
        model_digest=MODEL,
        expires_at_s=START_S + 50_000,
    )
    return request.replace(**changes)


def unsealing_request(number: int = 1, **changes: Any) -> RequestUnsealing:
    """Return an order on a picture whose key is sealed to Org1's node."""
    sealing_key = bytes.fromhex(node_registration("Org1MSP").sealing_public_key)
    request = RequestUnsealing(
        output_sha256=digest("output", number),
        sealed_key_sha256=digest("sealed key", number),
        receipt_sha256=digest("receipt", number),
        reference_id=None,
        order_sha256=digest("order", number),
        authority="District Court, 12 C 345/26",
        purpose="identify a witness",
        keeper_node_id=node_name("Org1MSP"),
        keeper_key_sha256=hashlib.sha256(sealing_key).hexdigest(),
        valid_for_s=1000,
    )
    return request.replace(**changes)


class World:
    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.now_s = START_S
        self._references = 0
        self._probes = 0

    async def call(
        self, who: Creator, function: str, request: Document | None, result: type[Result]
    ) -> Result:
        return await self.ledger.invoke(who, function, request, result, now_s=self.now_s)

    async def establish(self, members: Sequence[str] = MEMBERS, terms: Terms = TERMS) -> None:
        await self.found(members)
        for msp_id in members:
            await self.add_node(msp_id)
        await self.approve_model(MODEL)
        await self.adopt(terms)

    async def found(self, members: Sequence[str] = MEMBERS) -> Consortium:
        request = FoundConsortium(members=list(members), auditors=[AUDITOR])
        return await self.call(operator(members[0]), "registry:FoundConsortium", request, Consortium)

    async def members(self) -> list[str]:
        auditor = identity(AUDITOR, "auditor")
        return (await self.call(auditor, "registry:GetConsortium", None, Consortium)).members

    async def majority(self) -> list[str]:
        members = await self.members()
        return members[: len(members) // 2 + 1]

    async def admit(self, msp_id: str, voter: str) -> MembershipProposal:
        request = ChangeMembership(msp_id=msp_id)
        return await self.call(operator(voter), "registry:AdmitOrganisation", request, MembershipProposal)

    async def expel(self, msp_id: str, voter: str) -> MembershipProposal:
        request = ChangeMembership(msp_id=msp_id)
        return await self.call(operator(voter), "registry:ExpelOrganisation", request, MembershipProposal)

    async def register_node(
        self, msp_id: str, number: int = 1, roles: Sequence[NodeRole] = tuple(NodeRole)
    ) -> Node:
        request = node_registration(msp_id, number, roles)
        return await self.call(sidecar(msp_id, number), "registry:RegisterNode", request, Node)

    async def approve_node(self, node_id: str, voter: str) -> Node:
        return await self.call(operator(voter), "registry:ApproveNode", NodeId(node_id=node_id), Node)

    async def suspend_node(self, node_id: str, voter: str) -> Node:
        return await self.call(operator(voter), "registry:SuspendNode", NodeId(node_id=node_id), Node)

    async def add_node(
        self, msp_id: str, number: int = 1, roles: Sequence[NodeRole] = tuple(NodeRole)
    ) -> Node:
        """Register a node and have a majority approve it."""
        node = await self.register_node(msp_id, number, roles)
        for voter in await self.majority():
            node = await self.approve_node(node.node_id, voter)
        return node

    async def approve_model(self, model_digest: str) -> None:
        request = ApproveModel(model_digest=model_digest, name="dlib resnet v1")
        for voter in await self.majority():
            await self.call(operator(voter), "registry:ApproveModel", request, Model)

    async def propose(self, msp_id: str, base_version: int, terms: Terms = TERMS) -> PolicyProposal:
        request = ProposePolicy(base_version=base_version, terms=terms)
        return await self.call(operator(msp_id), "policy:Propose", request, PolicyProposal)

    async def vote(self, msp_id: str, proposal_id: str, *, approve: bool = True) -> PolicyProposal:
        request = VotePolicy(proposal_id=proposal_id, approve=approve)
        return await self.call(operator(msp_id), "policy:Vote", request, PolicyProposal)

    async def adopt(self, terms: Terms, base_version: int = 0) -> PolicyProposal:
        first, *others = await self.majority()
        proposal = await self.propose(first, base_version, terms)
        for voter in others:
            proposal = await self.vote(voter, proposal.proposal_id)
        return proposal

    async def enrol(self, msp_id: str, number: int = 1, **changes: Any) -> Reference:
        self._references += 1
        request = registration(self._references, **changes)
        return await self.call(sidecar(msp_id, number), "enrolment:Register", request, Reference)

    async def update(self, msp_id: str, reference: Reference, number: int = 1, **changes: Any) -> Reference:
        fields = {name: getattr(reference, name) for name in UpdateReference.model_fields}
        request = UpdateReference(**{**fields, "renewal": Renewal.COMPARED, **changes})
        return await self.call(sidecar(msp_id, number), "enrolment:Update", request, Reference)

    async def erase(self, msp_id: str, reference_id: str) -> Reference:
        request = ReferenceKey(reference_id=reference_id)
        return await self.call(sidecar(msp_id), "enrolment:Erase", request, Reference)

    def opening(self, reference_id: str, **changes: Any) -> OpenAuthentication:
        self._probes += 1
        request = OpenAuthentication(
            reference_id=reference_id,
            purpose="travel",
            mode=ExchangeMode.SEALED,
            probe_commitment=digest("probe", self._probes),
            model_digest=MODEL,
        )
        return request.replace(**changes)

    async def open(self, msp_id: str, reference_id: str, number: int = 1, **changes: Any) -> Authentication:
        request = self.opening(reference_id, **changes)
        return await self.call(sidecar(msp_id, number), "authentication:Open", request, Authentication)

    async def conclude(
        self, msp_id: str, authentication_id: str, outcome: Outcome, number: int = 1
    ) -> Authentication:
        request = ConcludeAuthentication(authentication_id=authentication_id, outcome=outcome)
        return await self.call(sidecar(msp_id, number), "authentication:Conclude", request, Authentication)

    async def cancel(self, msp_id: str, authentication_id: str) -> Authentication:
        request = AuthenticationId(authentication_id=authentication_id)
        return await self.call(sidecar(msp_id), "authentication:Cancel", request, Authentication)

    async def attempts(self, reference_id: str, msp_id: str) -> Attempts:
        request = AttemptsKey(reference_id=reference_id, relying_msp_id=msp_id)
        return await self.call(operator(msp_id), "authentication:Attempts", request, Attempts)

    async def unseal(self, msp_id: str, **changes: Any) -> Unsealing:
        return await self.call(operator(msp_id), "release:Unseal", unsealing_request(**changes), Unsealing)

    async def consent_unsealing(self, msp_id: str, unsealing_id: str) -> Unsealing:
        request = UnsealingId(unsealing_id=unsealing_id)
        return await self.call(operator(msp_id), "release:ConsentUnsealing", request, Unsealing)

    async def refuse_unsealing(self, msp_id: str, unsealing_id: str) -> Unsealing:
        request = UnsealingId(unsealing_id=unsealing_id)
        return await self.call(operator(msp_id), "release:RefuseUnsealing", request, Unsealing)

    async def fulfil_unsealing(self, msp_id: str, unsealing_id: str, number: int = 1) -> Unsealing:
        request = UnsealingId(unsealing_id=unsealing_id)
        return await self.call(sidecar(msp_id, number), "release:FulfilUnsealing", request, Unsealing)
