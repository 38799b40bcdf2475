"""What the ledger lists against what a daemon has pinned."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from veilmesh_chaincode.records.enrolment import Reference, ReferenceStatus
from veilmesh_node.content.kubo import OWN, REPLICA
from veilmesh_node.content.replication import Listed, compare, list_surrogates

from tests.unit.node.plugs import MemoryConsortium, enrol_request, photo


async def enrolled(consortium: MemoryConsortium, msp_id: str, person: str) -> Reference:
    enrolment = consortium.nodes[msp_id].node.enrolment
    return (await enrolment.enrol(enrol_request(photo(person)))).reference


@pytest.fixture
async def references(consortium: MemoryConsortium) -> list[Reference]:
    """Ada at org1 and org2, with the same surrogate, and Bob at org2."""
    people = [("Org1MSP", "ada"), ("Org2MSP", "ada"), ("Org2MSP", "bob")]
    return [await enrolled(consortium, msp_id, person) for msp_id, person in people]


def test_references_of_one_picture_share_a_surrogate(references: list[Reference]) -> None:
    ada, _, bob = references
    assert list_surrogates(references, node_id=ada.owner_node_id) == {
        ada.surrogate_cid: Listed(ada.surrogate_cid, ("Org1MSP", "Org2MSP"), ours=True),
        bob.surrogate_cid: Listed(bob.surrogate_cid, ("Org2MSP",), ours=False),
    }


def test_what_is_erased_is_listed_no_more_and_what_is_revoked_is(references: list[Reference]) -> None:
    ada, ada_too, bob = references
    erased, revoked = ReferenceStatus.ERASED, ReferenceStatus.REVOKED
    changed = [ada.replace(status=erased), ada_too.replace(status=erased), bob.replace(status=revoked)]
    assert list(list_surrogates(changed, node_id="elsewhere")) == [bob.surrogate_cid]


OURS, THEIRS = Listed("ours", ("Org1MSP",), ours=True), Listed("theirs", ("Org2MSP",), ours=False)


@pytest.mark.parametrize(
    ("pins", "missing", "surplus", "unlisted"),
    [
        ({}, [OURS, THEIRS], [], []),
        ({"ours": OWN, "theirs": REPLICA}, [], [], []),
        ({"ours": REPLICA, "theirs": OWN}, [OURS], [], []),  # an enrolment elsewhere gave the same picture
        ({"ours": "", "theirs": ""}, [OURS], [], []),  # somebody pinned them by hand
        ({"ours": OWN, "theirs": REPLICA, "old": REPLICA, "new": OWN}, [], ["old"], ["new"]),
        ({"ours": OWN, "theirs": REPLICA, "holiday": "", "more": "mine"}, [], [], []),  # no concern of ours
    ],
)
def test_difference(
    pins: Mapping[str, str], missing: list[Listed], surplus: list[str], unlisted: list[str]
) -> None:
    difference = compare({"ours": OURS, "theirs": THEIRS}, pins)
    assert difference.listed == 2
    assert (difference.missing, difference.surplus, difference.unlisted) == (missing, surplus, unlisted)
    assert difference.mendable == bool(missing or surplus)


@given(
    listed=st.dictionaries(st.sampled_from("abcdef"), st.booleans()),
    pins=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([OWN, REPLICA, "", "mine"])),
)
def test_mending_what_differs_leaves_no_difference(listed: dict[str, bool], pins: dict[str, str]) -> None:
    """And touches neither what this node has put there nor what is no concern of ours."""
    wanted = {cid: Listed(cid, ("Org1MSP",), ours) for cid, ours in listed.items()}
    before = compare(wanted, pins)
    mended = {cid: name for cid, name in pins.items() if cid not in before.surplus}
    mended |= {each.cid: OWN if each.ours else REPLICA for each in before.missing}
    assert not compare(wanted, mended).mendable
    kept = {cid for cid, name in pins.items() if name != REPLICA}
    assert kept <= set(mended)
    assert set(wanted) <= set(mended)
