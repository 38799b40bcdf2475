import pytest
from veilmesh_chaincode import access
from veilmesh_chaincode.access import ACCESS
from veilmesh_chaincode.contracts import FUNCTIONS
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import Consortium

from tests.unit.chaincode.consortium import AUDITOR, complete, identity
from tests.unit.chaincode.life import live
from tests.unit.chaincode.refusing import refuses

CONSORTIUM = Consortium(
    members=["Org1MSP"], auditors=[AUDITOR], version=1, member_since={"Org1MSP": 1}, updated_at_s=0
)
CALLERS = {
    "operator": identity("Org1MSP", "operator"),
    "node": identity("Org1MSP", "node"),
    "auditor": identity("Org1MSP", "auditor"),
    "outside auditor": identity(AUDITOR, "auditor"),
}
OUTSIDERS = [
    identity("Org1MSP", ""),
    identity("Org1MSP", "admin"),
    identity("Org1MSP", "operator", node_ou="peer"),
    identity("Org1MSP", "operator", node_ou="admin"),
    identity("Org1MSP", "node", node_ou="orderer"),
    identity("Org1MSP", "operator,node"),
    identity(AUDITOR, "operator"),
    identity(AUDITOR, "node"),
    identity(AUDITOR, ""),
    identity("Org9MSP", "operator"),
    identity("Org9MSP", "node"),
    identity("Org9MSP", "auditor"),
]
READ = {"operator", "node", "auditor", "outside auditor"}
VOTE = {"operator"}
ACT = {"node"}
MAY_CALL = {
    "registry:FoundConsortium": VOTE,
    "registry:AdmitOrganisation": VOTE,
    "registry:ExpelOrganisation": VOTE,
    "registry:RegisterNode": ACT,
    "registry:ApproveNode": VOTE,
    "registry:SuspendNode": VOTE,
    "registry:RetireNode": VOTE,
    "registry:ApproveModel": VOTE,
    "registry:RetireModel": VOTE,
    "policy:Propose": VOTE,
    "policy:Vote": VOTE,
    "enrolment:Register": ACT,
    "enrolment:Update": ACT,
    "enrolment:Revoke": ACT,
    "enrolment:Erase": ACT,
    "enrolment:Share": ACT,
    "authentication:Open": ACT,
    "authentication:Conclude": ACT,
    "authentication:Cancel": ACT,
    "release:Anchor": ACT,
    "release:Unseal": VOTE,
    "release:ConsentUnsealing": VOTE,
    "release:RefuseUnsealing": VOTE,
    "release:FulfilUnsealing": ACT,
    "audit:Statistics": {"auditor", "outside auditor"},
    "audit:LogAccess": {"auditor", "outside auditor"},
    "audit:LogSearch": ACT,
}


def test_the_table_is_complete() -> None:
    assert set(ACCESS) == set(FUNCTIONS)
    assert all(ACCESS.values())


@pytest.mark.parametrize("function", ACCESS)
def test_who_may_call(function: str) -> None:
    for kind, caller in CALLERS.items():
        if kind in MAY_CALL.get(function, READ):
            access.check(function, caller, CONSORTIUM)
        else:
            with refuses(RefusalCode.ACCESS_DENIED):
                access.check(function, caller, CONSORTIUM)


# These two work before there are members, so they are open to identities of the whole channel.
@pytest.mark.parametrize(
    "function", sorted(ACCESS.keys() - {"registry:FoundConsortium", "registry:GetConsortium"})
)
def test_who_may_call_nothing(function: str) -> None:
    for outsider in OUTSIDERS:
        with refuses(RefusalCode.ACCESS_DENIED):
            access.check(function, outsider, CONSORTIUM)


def test_before_the_founding() -> None:
    stranger = identity("Org9MSP", "operator")
    for function in ACCESS:
        if function in ("registry:FoundConsortium", "registry:GetConsortium"):
            access.check(function, stranger, None)
        else:
            with refuses(RefusalCode.NOT_FOUNDED):
                access.check(function, stranger, None)


def test_the_door_is_locked_in_the_chaincode_too() -> None:
    """The table is asked on every call, before the request is looked at."""
    stranger = identity("Org9MSP", "node")
    for world, step, _ in live():
        if step.function in ("registry:FoundConsortium", "registry:GetConsortium"):
            continue
        simulated = complete(
            world.ledger.simulate(stranger, step.function, b"not even JSON", now_s=world.now_s)
        )
        refusal = Refusal.from_message(simulated.response.message)
        assert refusal is not None
        assert refusal.code is RefusalCode.ACCESS_DENIED, step.function


def test_a_hostile_attribute_is_only_quoted() -> None:
    hostile = identity("Org1MSP", "\ud800" + "x" * 10_000)
    with refuses(RefusalCode.ACCESS_DENIED) as refusal:
        access.check("policy:Vote", hostile, CONSORTIUM)
    assert len(refusal.value.to_message()) < 400
