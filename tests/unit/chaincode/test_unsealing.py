"""No organisation alone undoes an anonymization: orders, consents and the keeper's answer."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.unsealing import Unsealing, UnsealingId, UnsealingStatus

from tests.unit.chaincode.consortium import (
    AUDITOR,
    MEMBERS,
    START_S,
    World,
    complete,
    identity,
    node_name,
    operator,
    unsealing_request,
)
from tests.unit.chaincode.refusing import refuses

AN_AUDITOR = identity(AUDITOR, "auditor")


async def test_two_organisations_and_the_keeper(world: World) -> None:
    unsealing = await world.unseal("Org2MSP")
    assert (unsealing.status, unsealing.consents) == (UnsealingStatus.REQUESTED, ["Org2MSP"])
    assert (unsealing.requester, unsealing.keeper_msp_id) == ("Org2MSP", "Org1MSP")
    assert unsealing.expires_at_s == world.now_s + 1000
    with refuses(RefusalCode.NOT_GRANTED):
        await world.fulfil_unsealing("Org1MSP", unsealing.unsealing_id)
    granted = await world.consent_unsealing("Org3MSP", unsealing.unsealing_id)
    assert (granted.status, granted.consents) == (UnsealingStatus.GRANTED, ["Org2MSP", "Org3MSP"])
    fulfilled = await world.fulfil_unsealing("Org1MSP", unsealing.unsealing_id)
    assert fulfilled == granted.replace(status=UnsealingStatus.FULFILLED)


async def test_the_keeper_may_be_one_of_the_two(world: World) -> None:
    unsealing = await world.unseal("Org2MSP")
    granted = await world.consent_unsealing("Org1MSP", unsealing.unsealing_id)
    assert granted.status is UnsealingStatus.GRANTED


async def test_the_keeper_alone_is_not_enough(world: World) -> None:
    unsealing = await world.unseal("Org1MSP")
    with refuses(RefusalCode.ALREADY_VOTED):
        await world.consent_unsealing("Org1MSP", unsealing.unsealing_id)
    with refuses(RefusalCode.NOT_GRANTED):
        await world.fulfil_unsealing("Org1MSP", unsealing.unsealing_id)


async def test_a_third_consent_is_recorded_too(world: World) -> None:
    unsealing = await world.unseal("Org1MSP")
    for msp_id in ("Org3MSP", "Org2MSP"):
        unsealing = await world.consent_unsealing(msp_id, unsealing.unsealing_id)
    assert unsealing.consents == ["Org1MSP", "Org3MSP", "Org2MSP"]


async def test_only_the_keepers_node_fulfils(world: World) -> None:
    await world.add_node("Org1MSP", 2)
    unsealing = await world.unseal("Org2MSP")
    await world.consent_unsealing("Org3MSP", unsealing.unsealing_id)
    for msp_id, number in (("Org2MSP", 1), ("Org1MSP", 2)):
        with refuses(RefusalCode.NOT_KEEPER):
            await world.fulfil_unsealing(msp_id, unsealing.unsealing_id, number)
    await world.suspend_node(node_name("Org1MSP"), "Org1MSP")
    with refuses(RefusalCode.NODE_NOT_ACTIVE):
        await world.fulfil_unsealing("Org1MSP", unsealing.unsealing_id)


async def test_only_the_keepers_organisation_refuses_and_that_ends_it(world: World) -> None:
    unsealing = await world.unseal("Org2MSP")
    await world.consent_unsealing("Org3MSP", unsealing.unsealing_id)
    for msp_id in ("Org2MSP", "Org3MSP"):
        with refuses(RefusalCode.NOT_KEEPER):
            await world.refuse_unsealing(msp_id, unsealing.unsealing_id)
    refused = await world.refuse_unsealing("Org1MSP", unsealing.unsealing_id)
    assert refused.status is UnsealingStatus.REFUSED
    for change in (world.consent_unsealing, world.refuse_unsealing, world.fulfil_unsealing):
        with refuses(RefusalCode.ALREADY_CONCLUDED):
            await change("Org1MSP", unsealing.unsealing_id)


async def test_a_key_is_given_out_once(world: World) -> None:
    unsealing = await world.unseal("Org2MSP")
    await world.consent_unsealing("Org1MSP", unsealing.unsealing_id)
    await world.fulfil_unsealing("Org1MSP", unsealing.unsealing_id)
    with refuses(RefusalCode.ALREADY_CONCLUDED):
        await world.fulfil_unsealing("Org1MSP", unsealing.unsealing_id)


async def test_time_runs_out(world: World) -> None:
    unsealing = await world.unseal("Org2MSP")
    world.now_s += 999
    await world.consent_unsealing("Org3MSP", unsealing.unsealing_id)
    world.now_s += 1
    for change in (world.consent_unsealing, world.refuse_unsealing, world.fulfil_unsealing):
        with refuses(RefusalCode.UNSEALING_EXPIRED):
            await change("Org1MSP", unsealing.unsealing_id)


async def test_the_consent_of_an_organisation_that_left_is_gone(world: World) -> None:
    unsealing = await world.unseal("Org2MSP")
    await world.consent_unsealing("Org3MSP", unsealing.unsealing_id)
    for voter in ("Org1MSP", "Org2MSP"):
        await world.expel("Org3MSP", voter)
    with refuses(RefusalCode.NOT_GRANTED):
        await world.fulfil_unsealing("Org1MSP", unsealing.unsealing_id)
    for voter in ("Org1MSP", "Org2MSP"):
        await world.admit("Org3MSP", voter)
    with refuses(RefusalCode.NOT_GRANTED):  # and does not come back
        await world.fulfil_unsealing("Org1MSP", unsealing.unsealing_id)
    await world.consent_unsealing("Org3MSP", unsealing.unsealing_id)
    await world.fulfil_unsealing("Org1MSP", unsealing.unsealing_id)


async def test_an_order_to_a_keeper_that_cannot_act(world: World) -> None:
    with refuses(RefusalCode.NOT_FOUND):
        await world.unseal("Org2MSP", keeper_node_id="nobody")
    with refuses(RefusalCode.KEY_MISMATCH):
        await world.unseal("Org2MSP", keeper_node_id=node_name("Org3MSP"))
    await world.suspend_node(node_name("Org1MSP"), "Org1MSP")
    with refuses(RefusalCode.NODE_NOT_ACTIVE):
        await world.unseal("Org2MSP")


async def test_an_order_to_an_organisation_that_left(world: World) -> None:
    for voter in ("Org2MSP", "Org3MSP"):
        await world.expel("Org1MSP", voter)
    with refuses(RefusalCode.NOT_A_MEMBER):
        await world.unseal("Org2MSP")


@pytest.mark.parametrize(
    "changes",
    [
        {"authority": ""},
        {"authority": "x" * 257},
        {"purpose": "x" * 257},
        {"valid_for_s": 59},
        {"valid_for_s": 90 * 24 * 3600 + 1},
        {"order_sha256": "order"},
        {"receipt_sha256": ""},
        {"reference_id": "somebody"},
    ],
)
def test_a_request_within_limits(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        unsealing_request(**changes)


async def test_an_unknown_unsealing(world: World) -> None:
    with refuses(RefusalCode.NOT_FOUND):
        await world.consent_unsealing("Org1MSP", "0" * 64)
    with refuses(RefusalCode.NOT_FOUND):
        await world.call(AN_AUDITOR, "release:GetUnsealing", UnsealingId(unsealing_id="0" * 64), Unsealing)


async def test_an_auditor_reads_all_of_them_in_pages(world: World) -> None:
    filed = [await world.unseal(msp_id, number=number) for number, msp_id in enumerate(MEMBERS * 2)]
    entries: list[Unsealing] = []
    bookmark = ""
    while True:
        request = PageRequest(limit=4, bookmark=bookmark)
        page = await world.call(AN_AUDITOR, "release:ListUnsealings", request, Page[Unsealing])
        entries += page.entries
        if not (bookmark := page.bookmark):
            break
    assert entries == sorted(filed, key=lambda unsealing: unsealing.unsealing_id)


async def test_two_consents_at_once_do_not_both_commit_on_the_same_state(world: World) -> None:
    unsealing = await world.unseal("Org2MSP")
    request = UnsealingId(unsealing_id=unsealing.unsealing_id)
    both = [
        await world.ledger.simulate(operator(msp_id), "release:ConsentUnsealing", request, now_s=world.now_s)
        for msp_id in ("Org1MSP", "Org3MSP")
    ]
    assert [world.ledger.commit(transaction) for transaction in both] == ["VALID", "MVCC_READ_CONFLICT"]


class Unsealings(RuleBasedStateMachine):
    """One unsealing in a consortium that comes and goes: it is fulfilled only on two standing consents."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.admissions = dict.fromkeys(MEMBERS, 0)
        self.consents: dict[str, int] = {}  # the admission under which each was given
        self.unsealing_id = ""
        self.done = False

    @initialize(requester=st.sampled_from(MEMBERS))
    def file(self, requester: str) -> None:
        complete(self.world.establish())
        self.unsealing_id = complete(self.world.unseal(requester)).unsealing_id
        self.consents[requester] = 0

    def standing(self) -> int:
        return sum(self.admissions.get(msp_id) == number for msp_id, number in self.consents.items())

    @property
    def in_time(self) -> bool:
        return self.world.now_s < START_S + 1000

    @rule(voter=st.sampled_from(MEMBERS))
    def consent(self, voter: str) -> None:
        code = self.refusal_of(self.world.consent_unsealing, voter)
        if voter not in self.admissions:
            assert code is RefusalCode.ACCESS_DENIED
        elif self.done:
            assert code is RefusalCode.ALREADY_CONCLUDED
        elif not self.in_time:
            assert code is RefusalCode.UNSEALING_EXPIRED
        elif self.consents.get(voter) == self.admissions[voter]:
            assert code is RefusalCode.ALREADY_VOTED
        else:
            assert code is None
            self.consents[voter] = self.admissions[voter]

    @rule()
    def fulfil(self) -> None:
        code = self.refusal_of(self.world.fulfil_unsealing, "Org1MSP")
        if "Org1MSP" not in self.admissions:
            assert code is RefusalCode.ACCESS_DENIED
        elif self.done:
            assert code is RefusalCode.ALREADY_CONCLUDED
        elif not self.in_time:
            assert code is RefusalCode.UNSEALING_EXPIRED
        elif self.standing() < 2:
            assert code is RefusalCode.NOT_GRANTED
        else:
            assert code is None
            self.done = True

    @precondition(lambda self: len(self.admissions) == 3)
    @rule(leaver=st.sampled_from(MEMBERS))
    def expel(self, leaver: str) -> None:
        for voter in [msp_id for msp_id in MEMBERS if msp_id != leaver]:
            complete(self.world.expel(leaver, voter))
        del self.admissions[leaver]

    @precondition(lambda self: len(self.admissions) == 2)
    @rule()
    def admit_again(self) -> None:
        (newcomer,) = set(MEMBERS) - set(self.admissions)
        for voter in sorted(self.admissions):
            complete(self.world.admit(newcomer, voter))
        self.admissions[newcomer] = self.world.now_s * 1000 + len(self.world.ledger.tx_ids)

    @rule(seconds=st.sampled_from([1, 50, 400]))
    def wait(self, seconds: int) -> None:
        self.world.now_s += seconds

    def refusal_of(self, change: Any, msp_id: str) -> RefusalCode | None:
        try:
            complete(change(msp_id, self.unsealing_id))
        except Refusal as refusal:
            return refusal.code
        return None


Unsealings.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestUnsealings = Unsealings.TestCase
