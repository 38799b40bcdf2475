"""Who may call what: one table, one row a function.

Row: the kind of organisation, the NodeOU and the attribute `role` that a caller's certificate must show. It
says who may knock; which node, which owner and which vote counts, the rules decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Consortium
from veilmesh_chaincode.stub import Creator


class Organisation(StrEnum):
    MEMBER = "member"  # votes, owns references, runs nodes
    AUDITOR = "auditor"  # reads
    ANY = "any"  # of the channel; what works before there is a consortium


@dataclass(frozen=True, slots=True)
class Caller:
    """One kind of caller."""

    organisation: Organisation
    roles: frozenset[str]
    node_ou: str = "client"

    def admits(self, creator: Creator, consortium: Consortium | None) -> bool:
        return (
            self.node_ou in creator.organizational_units
            and creator.attributes.get("role") in self.roles
            and self.organisation in _kinds(creator.msp_id, consortium)
        )

    def __str__(self) -> str:
        whose = {"any": "any organisation", "auditor": "an auditor organisation", "member": "a member"}
        return f"{whose[self.organisation]}'s {self.node_ou} with role {' or '.join(sorted(self.roles))}"


OPERATORS = (Caller(Organisation.MEMBER, frozenset({"operator"})),)
NODES = (Caller(Organisation.MEMBER, frozenset({"node"})),)
AUDITORS = (
    Caller(Organisation.MEMBER, frozenset({"auditor"})),
    Caller(Organisation.AUDITOR, frozenset({"auditor"})),
)
READERS = (
    Caller(Organisation.MEMBER, frozenset({"node", "operator", "auditor"})),
    Caller(Organisation.AUDITOR, frozenset({"auditor"})),
)
FOUNDERS = (Caller(Organisation.ANY, frozenset({"operator"})),)
ANYONE = (Caller(Organisation.ANY, frozenset({"node", "operator", "auditor"})),)

ACCESS: Mapping[str, tuple[Caller, ...]] = {
    "registry:FoundConsortium": FOUNDERS,
    "registry:AdmitOrganisation": OPERATORS,
    "registry:ExpelOrganisation": OPERATORS,
    "registry:GetConsortium": ANYONE,
    "registry:RegisterNode": NODES,
    "registry:ApproveNode": OPERATORS,
    "registry:SuspendNode": OPERATORS,
    "registry:RetireNode": OPERATORS,
    "registry:GetNode": READERS,
    "registry:ListNodes": READERS,
    "registry:NodeOfIdentity": READERS,
    "registry:ApproveModel": OPERATORS,
    "registry:RetireModel": OPERATORS,
    "registry:GetModel": READERS,
    "registry:ListModels": READERS,
    "policy:Propose": OPERATORS,
    "policy:Vote": OPERATORS,
    "policy:Current": READERS,
    "policy:GetProposal": READERS,
    "policy:History": READERS,
    "enrolment:Register": NODES,
    "enrolment:Update": NODES,
    "enrolment:Revoke": NODES,
    "enrolment:Erase": NODES,
    "enrolment:Share": NODES,
    "enrolment:Get": READERS,
    "enrolment:List": READERS,
    "enrolment:History": READERS,
    "authentication:Open": NODES,
    "authentication:Conclude": NODES,
    "authentication:Cancel": NODES,
    "authentication:Get": READERS,
    "authentication:List": READERS,
    "authentication:Attempts": READERS,
    "release:Anchor": NODES,
    "release:GetAnchor": READERS,
    "release:Verify": READERS,
    "release:Unseal": OPERATORS,
    "release:ConsentUnsealing": OPERATORS,
    "release:RefuseUnsealing": OPERATORS,
    "release:FulfilUnsealing": NODES,
    "release:GetUnsealing": READERS,
    "release:ListUnsealings": READERS,
    "audit:Trail": READERS,
    "audit:Statistics": AUDITORS,
    "audit:LogAccess": AUDITORS,
    "audit:ListAccess": READERS,
    "audit:LogSearch": NODES,
    "audit:ListSearches": READERS,
}


def check(function: str, creator: Creator, consortium: Consortium | None) -> None:
    """Let the caller through or refuse.

    Raises:
        Refusal: NOT_FOUNDED, there is no consortium yet and the function needs one; ACCESS_DENIED.
    """
    callers = ACCESS[function]
    if any(caller.admits(creator, consortium) for caller in callers):
        return
    if consortium is None and all(caller.organisation is not Organisation.ANY for caller in callers):
        raise Refusal(RefusalCode.NOT_FOUNDED, "no consortium has been founded on this channel")
    raise Refusal(
        RefusalCode.ACCESS_DENIED,
        f"{function} is for {', or '.join(str(caller) for caller in callers)}; the caller's organisation is "
        f"{creator.msp_id}, its role {creator.attributes.get('role', 'none')[:32]!a}",
    )


def is_auditor(creator: Creator) -> bool:
    return creator.attributes.get("role") == "auditor"


def _kinds(msp_id: str, consortium: Consortium | None) -> set[Organisation]:
    kinds = {Organisation.ANY}
    if consortium is not None and msp_id in consortium.members:
        kinds.add(Organisation.MEMBER)
    if consortium is not None and msp_id in consortium.auditors:
        kinds.add(Organisation.AUDITOR)
    return kinds
