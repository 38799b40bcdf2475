"""Who may work is the ledger's word; who does is a roster that forgets nobody silently."""

import pytest
from veilmesh_chaincode.records.registry import Node, NodeRole, NodeStatus
from veilmesh_node.cluster.errors import AdmissionRefusedError
from veilmesh_node.cluster.membership import (
    REMEMBERED,
    SILENT_AFTER_S,
    UNCONFIRMED_AFTER_S,
    Member,
    Roster,
    Shown,
    State,
    require_worker,
)
from veilmesh_node.cluster.service import whose

SHOWN = Shown("11" * 32, "22" * 32)
NODE = Node(
    node_id="org2-node",
    msp_id="Org2MSP",
    identity_sha256=SHOWN.identity_sha256,
    endpoint="127.0.0.1:7443",
    tls_certificate_sha256=SHOWN.certificate_sha256,
    sealing_suite="suite",
    sealing_public_key="ab" * 32,
    roles=[NodeRole.OWNER, NodeRole.WORKER],
    status=NodeStatus.ACTIVE,
    approvals=["Org1MSP", "Org2MSP"],
    suspension_votes=[],
    consortium_version=1,
    registered_at_s=1,
    updated_at_s=2,
)


def test_an_active_worker_may_work() -> None:
    require_worker(NODE, SHOWN, ["Org1MSP", "Org2MSP"])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": NodeStatus.PENDING}, "is pending"),
        ({"status": NodeStatus.SUSPENDED}, "is suspended"),
        ({"status": NodeStatus.RETIRED}, "is retired"),
        ({"roles": [NodeRole.OWNER]}, "no role `worker`"),
        ({"identity_sha256": "33" * 32}, "another key"),
        ({"tls_certificate_sha256": "33" * 32}, "another TLS certificate"),
        ({"msp_id": "Org3MSP"}, "takes workers of Org1MSP, Org2MSP"),
    ],
)
def test_nobody_else_may(changes: dict[str, object], why: str) -> None:
    with pytest.raises(AdmissionRefusedError, match=why):
        require_worker(NODE.replace(**changes), SHOWN, ["Org1MSP", "Org2MSP"])


def test_pictures_stay_with_their_organisation_unless_its_operator_says_otherwise() -> None:
    assert whose("Org1MSP", ()) == ("Org1MSP",)
    assert whose("Org1MSP", ["Org2MSP", "Org1MSP"]) == ("Org1MSP", "Org2MSP")


@pytest.fixture
def roster() -> Roster:
    return Roster()


@pytest.fixture
def member(roster: Roster) -> Member:
    return roster.admit(NODE, SHOWN, 100.0)


def attend(roster: Roster, member: Member, now_s: float) -> None:
    roster.attend(member.admission_id, SHOWN.certificate_sha256, "a1", now_s)


def test_a_machine_works_once_ray_has_started_there(roster: Roster, member: Member) -> None:
    roster.attend(member.admission_id, SHOWN.certificate_sha256, "", 101.0)
    assert member.state(101.0) is State.JOINING
    assert roster.working(101.0) == ()
    attend(roster, member, 102.0)
    assert roster.working(102.0) == (member,)


def test_who_is_silent_gets_nothing_until_it_speaks_again(roster: Roster, member: Member) -> None:
    attend(roster, member, 101.0)
    late_s = 101.0 + SILENT_AFTER_S + 0.1
    assert (member.state(late_s), roster.working(late_s)) == (State.SILENT, ())
    attend(roster, member, late_s)
    assert roster.working(late_s) == (member,)


def test_nobody_works_for_long_without_the_ledger(roster: Roster, member: Member) -> None:
    late_s = 100.0 + UNCONFIRMED_AFTER_S + 0.1
    attend(roster, member, late_s)
    assert (member.state(late_s), roster.working(late_s)) == (State.UNCONFIRMED, ())
    member.confirmed_s = late_s
    assert roster.working(late_s) == (member,)


def test_who_was_sent_away_is_told_why(roster: Roster, member: Member) -> None:
    roster.send_away(member, "node org2-node is suspended on the ledger", 101.0)
    assert roster.members == ()
    with pytest.raises(AdmissionRefusedError, match="is suspended"):
        attend(roster, member, 102.0)
    assert [(each.node_id, each.at_s) for each in roster.sent_away] == [("org2-node", 101.0)]


def test_who_left_was_not_sent_away(roster: Roster, member: Member) -> None:
    roster.leave(member)
    assert not roster.sent_away
    with pytest.raises(AdmissionRefusedError, match="left"):
        attend(roster, member, 102.0)


def test_a_node_is_one_machine(roster: Roster, member: Member) -> None:
    second = roster.admit(NODE, SHOWN, 101.0)
    assert roster.members == (second,)
    with pytest.raises(AdmissionRefusedError, match="joined anew"):
        attend(roster, member, 102.0)


def test_an_admission_is_bound_to_its_certificate(roster: Roster, member: Member) -> None:
    with pytest.raises(AdmissionRefusedError, match="no such admission"):
        roster.attend(member.admission_id, "44" * 32, "a1", 101.0)
    with pytest.raises(AdmissionRefusedError, match="no such admission"):
        roster.attend("00" * 16, SHOWN.certificate_sha256, "a1", 101.0)


def test_nobody_passes_for_another_machine(roster: Roster, member: Member) -> None:
    attend(roster, member, 101.0)
    other = roster.admit(NODE.replace(node_id="org3-node"), SHOWN, 101.0)
    with pytest.raises(AdmissionRefusedError, match="another node's"):
        attend(roster, other, 102.0)


def test_what_is_remembered_is_bounded(roster: Roster) -> None:
    for number in range(REMEMBERED + 5):
        roster.send_away(roster.admit(NODE, SHOWN, 100.0), f"reason {number}", 100.0)
    assert len(roster.sent_away) == REMEMBERED
