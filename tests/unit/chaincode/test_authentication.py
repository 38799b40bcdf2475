import hashlib
from typing import Any

import pytest
from veilmesh_chaincode.records.authentication import (
    Authentication,
    AuthenticationId,
    AuthenticationStatus,
    ConcludeAuthentication,
    ListAuthentications,
    Outcome,
)
from veilmesh_chaincode.records.enrolment import Reference, RevocationReason, RevokeReference
from veilmesh_chaincode.records.pages import Page
from veilmesh_chaincode.records.policy import ExchangeMode
from veilmesh_chaincode.records.refusals import RefusalCode
from veilmesh_chaincode.records.registry import NodeRole

from tests.unit.chaincode.consortium import (
    MEMBERS,
    TERMS,
    World,
    digest,
    identity,
    node_name,
    operator,
    sidecar,
)
from tests.unit.chaincode.memory_ledger import MVCC_READ_CONFLICT, VALID
from tests.unit.chaincode.refusing import refuses


@pytest.fixture
async def reference(world: World) -> Reference:
    return await world.enrol("Org1MSP")


async def fail(world: World, msp_id: str, reference: Reference, times: int) -> None:
    for _ in range(times):
        opened = await world.open(msp_id, reference.reference_id)
        await world.conclude("Org1MSP", opened.authentication_id, Outcome.NO_MATCH)


class TestOpen:
    async def test_names_the_decider_and_sets_a_challenge(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org2MSP", reference.reference_id)
        assert opened.status is AuthenticationStatus.OPEN
        assert opened.decider_node_id == reference.owner_node_id
        assert opened.relying_node_id == node_name("Org2MSP")
        assert opened.expires_at_s == world.now_s + TERMS.authentication_expiry_s
        expected = (
            b"veilmesh challenge v1"
            + bytes.fromhex(opened.authentication_id)
            + bytes.fromhex(opened.probe_commitment)
        )
        assert opened.challenge == hashlib.sha256(expected).hexdigest()

    async def test_the_owner_may_rely_on_its_own_reference(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org1MSP", reference.reference_id)
        concluded = await world.conclude("Org1MSP", opened.authentication_id, Outcome.MATCH)
        assert concluded.outcome is Outcome.MATCH

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"reference_id": "0" * 32}, RefusalCode.NOT_FOUND),
            ({"purpose": "marketing"}, RefusalCode.PURPOSE_NOT_ALLOWED),
            ({"mode": ExchangeMode.ENCRYPTED}, RefusalCode.METHOD_NOT_ALLOWED),
            ({"model_digest": digest("another")}, RefusalCode.MODEL_MISMATCH),
        ],
    )
    async def test_keeps_to_policy_and_reference(
        self, world: World, reference: Reference, change: dict[str, Any], code: RefusalCode
    ) -> None:
        with refuses(code):
            await world.open("Org2MSP", **{"reference_id": reference.reference_id, **change})

    async def test_needs_role_relying_here_and_role_decider_there(
        self, world: World, reference: Reference
    ) -> None:
        await world.add_node("Org2MSP", 2, [NodeRole.OWNER])
        with refuses(RefusalCode.ROLE_MISSING):
            await world.open("Org2MSP", reference.reference_id, 2)
        undecided = await world.enrol("Org2MSP", 2)
        with refuses(RefusalCode.ROLE_MISSING):
            await world.open("Org1MSP", undecided.reference_id)

    async def test_needs_active_nodes_on_both_sides(self, world: World, reference: Reference) -> None:
        await world.suspend_node(node_name("Org2MSP"), "Org2MSP")
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.open("Org2MSP", reference.reference_id)
        await world.suspend_node(node_name("Org1MSP"), "Org1MSP")
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.open("Org3MSP", reference.reference_id)

    async def test_needs_the_owner_among_the_members(self, world: World, reference: Reference) -> None:
        for voter in ("Org2MSP", "Org3MSP"):
            await world.expel("Org1MSP", voter)
        with refuses(RefusalCode.NOT_A_MEMBER):
            await world.open("Org2MSP", reference.reference_id)

    async def test_not_against_an_expired_reference(self, world: World, reference: Reference) -> None:
        world.now_s = reference.expires_at_s - 1
        opened = await world.open("Org2MSP", reference.reference_id)
        assert opened.expires_at_s == reference.expires_at_s
        world.now_s += 1
        with refuses(RefusalCode.REFERENCE_EXPIRED):
            await world.open("Org2MSP", reference.reference_id)

    async def test_not_against_an_ended_reference(self, world: World, reference: Reference) -> None:
        request = RevokeReference(reference_id=reference.reference_id, reason=RevocationReason.COMPROMISED)
        await world.call(sidecar("Org1MSP"), "enrolment:Revoke", request, Reference)
        with refuses(RefusalCode.REFERENCE_NOT_ACTIVE):
            await world.open("Org2MSP", reference.reference_id)
        await world.erase("Org1MSP", reference.reference_id)
        with refuses(RefusalCode.REFERENCE_NOT_ACTIVE):
            await world.open("Org2MSP", reference.reference_id)


class TestConclude:
    async def test_once(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org2MSP", reference.reference_id)
        concluded = await world.conclude("Org1MSP", opened.authentication_id, Outcome.MATCH)
        assert (concluded.status, concluded.concluded_at_s) == (AuthenticationStatus.CONCLUDED, world.now_s)
        for outcome in Outcome:
            with refuses(RefusalCode.ALREADY_CONCLUDED):
                await world.conclude("Org1MSP", opened.authentication_id, outcome)

    async def test_two_at_once_are_one(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org2MSP", reference.reference_id)
        simulated = [
            await world.ledger.simulate(
                sidecar("Org1MSP"),
                "authentication:Conclude",
                ConcludeAuthentication(authentication_id=opened.authentication_id, outcome=outcome),
                now_s=world.now_s,
            )
            for outcome in (Outcome.NO_MATCH, Outcome.MATCH)
        ]
        assert [world.ledger.commit(transaction) for transaction in simulated] == [VALID, MVCC_READ_CONFLICT]

    async def test_by_the_node_named_alone(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org2MSP", reference.reference_id)
        await world.add_node("Org1MSP", 2)
        for msp_id, number in (("Org1MSP", 2), ("Org2MSP", 1), ("Org3MSP", 1)):
            with refuses(RefusalCode.NOT_DECIDER):
                await world.conclude(msp_id, opened.authentication_id, Outcome.MATCH, number)

    async def test_in_time(self, world: World, reference: Reference) -> None:
        opened = [await world.open("Org2MSP", reference.reference_id) for _ in range(2)]
        world.now_s = opened[0].expires_at_s - 1
        await world.conclude("Org1MSP", opened[0].authentication_id, Outcome.MATCH)
        world.now_s += 1
        with refuses(RefusalCode.AUTHENTICATION_EXPIRED):
            await world.conclude("Org1MSP", opened[1].authentication_id, Outcome.MATCH)
        with refuses(RefusalCode.AUTHENTICATION_EXPIRED):
            await world.cancel("Org2MSP", opened[1].authentication_id)

    async def test_about_the_version_it_was_opened_on(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org2MSP", reference.reference_id)
        await world.update("Org1MSP", reference)
        with refuses(RefusalCode.VERSION_CONFLICT):
            await world.conclude("Org1MSP", opened.authentication_id, Outcome.MATCH)

    async def test_not_about_an_ended_reference(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org2MSP", reference.reference_id)
        await world.erase("Org1MSP", reference.reference_id)
        with refuses(RefusalCode.REFERENCE_NOT_ACTIVE):
            await world.conclude("Org1MSP", opened.authentication_id, Outcome.MATCH)

    async def test_not_for_a_suspended_node(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org2MSP", reference.reference_id)
        await world.suspend_node(node_name("Org2MSP"), "Org2MSP")
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.conclude("Org1MSP", opened.authentication_id, Outcome.MATCH)

    async def test_not_for_an_expelled_organisation(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org2MSP", reference.reference_id)
        for voter in ("Org1MSP", "Org3MSP"):
            await world.expel("Org2MSP", voter)
        with refuses(RefusalCode.NOT_A_MEMBER):
            await world.conclude("Org1MSP", opened.authentication_id, Outcome.MATCH)

    async def test_what_was_never_opened(self, world: World) -> None:
        with refuses(RefusalCode.NOT_FOUND):
            await world.conclude("Org1MSP", digest("nothing"), Outcome.MATCH)


class TestCancel:
    async def test_ends_an_open_one(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org2MSP", reference.reference_id)
        with refuses(RefusalCode.NOT_OWNER):
            await world.cancel("Org1MSP", opened.authentication_id)
        cancelled = await world.cancel("Org2MSP", opened.authentication_id)
        assert (cancelled.status, cancelled.concluded_at_s) == (AuthenticationStatus.CANCELLED, None)
        with refuses(RefusalCode.ALREADY_CONCLUDED):
            await world.conclude("Org1MSP", opened.authentication_id, Outcome.MATCH)
        with refuses(RefusalCode.ALREADY_CONCLUDED):
            await world.cancel("Org2MSP", opened.authentication_id)

    async def test_two_ends_at_once_are_one(self, world: World, reference: Reference) -> None:
        opened = await world.open("Org2MSP", reference.reference_id)
        conclusion = ConcludeAuthentication(
            authentication_id=opened.authentication_id, outcome=Outcome.NO_MATCH
        )
        concluding = await world.ledger.simulate(
            sidecar("Org1MSP"), "authentication:Conclude", conclusion, now_s=world.now_s
        )
        await world.cancel("Org2MSP", opened.authentication_id)
        assert world.ledger.commit(concluding) == MVCC_READ_CONFLICT


class TestLimits:
    async def test_open_attempts_count_like_failures(self, world: World, reference: Reference) -> None:
        await fail(world, "Org2MSP", reference, 1)
        opened = [await world.open("Org2MSP", reference.reference_id) for _ in range(2)]
        with refuses(RefusalCode.ATTEMPTS_EXHAUSTED) as refusal:
            await world.open("Org2MSP", reference.reference_id)
        assert refusal.value.retry_at_s == opened[0].expires_at_s
        await world.cancel("Org2MSP", opened[0].authentication_id)
        await world.open("Org2MSP", reference.reference_id)

    async def test_expired_attempts_no_longer_count(self, world: World, reference: Reference) -> None:
        for _ in range(TERMS.attempt_limit):
            await world.open("Org2MSP", reference.reference_id)
        world.now_s += TERMS.authentication_expiry_s
        await world.open("Org2MSP", reference.reference_id)

    async def test_failures_lock_for_a_while(self, world: World, reference: Reference) -> None:
        await fail(world, "Org2MSP", reference, TERMS.attempt_limit)
        with refuses(RefusalCode.LOCKED_OUT) as refusal:
            await world.open("Org2MSP", reference.reference_id)
        assert refusal.value.retry_at_s == world.now_s + TERMS.lock_out_s
        assert "locked out for 900 s more after 3 failures within 600 s" in refusal.value.message
        world.now_s += TERMS.lock_out_s - 1
        with refuses(RefusalCode.LOCKED_OUT):
            await world.open("Org2MSP", reference.reference_id)
        world.now_s += 1
        await world.open("Org2MSP", reference.reference_id)

    async def test_old_failures_no_longer_count(self, world: World, reference: Reference) -> None:
        await fail(world, "Org2MSP", reference, TERMS.attempt_limit - 1)
        world.now_s += TERMS.attempt_window_s
        await fail(world, "Org2MSP", reference, TERMS.attempt_limit - 1)
        assert (await world.attempts(reference.reference_id, "Org2MSP")).locked_until_s == 0

    async def test_a_match_forgives_failures(self, world: World, reference: Reference) -> None:
        await fail(world, "Org2MSP", reference, TERMS.attempt_limit - 1)
        opened = await world.open("Org2MSP", reference.reference_id)
        await world.conclude("Org1MSP", opened.authentication_id, Outcome.MATCH)
        assert (await world.attempts(reference.reference_id, "Org2MSP")).failures_at_s == []

    async def test_nobody_locks_out_another_organisations_people(
        self, world: World, reference: Reference
    ) -> None:
        await fail(world, "Org2MSP", reference, TERMS.attempt_limit)
        await world.open("Org3MSP", reference.reference_id)

    async def test_updating_the_reference_does_not_unlock(self, world: World, reference: Reference) -> None:
        await fail(world, "Org2MSP", reference, TERMS.attempt_limit)
        await world.update("Org1MSP", reference)
        with refuses(RefusalCode.LOCKED_OUT):
            await world.open("Org2MSP", reference.reference_id)

    async def test_the_policy_in_force_decides(self, world: World, reference: Reference) -> None:
        await fail(world, "Org2MSP", reference, 1)
        opened = [await world.open("Org2MSP", reference.reference_id) for _ in range(2)]
        await world.adopt(TERMS.replace(attempt_limit=1), 1)
        with refuses(RefusalCode.ATTEMPTS_EXHAUSTED) as refusal:
            await world.open("Org2MSP", reference.reference_id)
        # Three places are taken and one is allowed, so the last of the three to lapse makes room.
        assert refusal.value.retry_at_s == world.now_s + TERMS.attempt_window_s
        await world.conclude("Org1MSP", opened[0].authentication_id, Outcome.NO_MATCH)
        with refuses(RefusalCode.LOCKED_OUT):
            await world.open("Org2MSP", reference.reference_id)

    async def test_a_match_does_not_open_a_lock(self, world: World, reference: Reference) -> None:
        opened = [await world.open("Org2MSP", reference.reference_id) for _ in range(2)]
        await world.adopt(TERMS.replace(attempt_limit=1), 1)
        await world.conclude("Org1MSP", opened[0].authentication_id, Outcome.NO_MATCH)
        await world.conclude("Org1MSP", opened[1].authentication_id, Outcome.MATCH)
        with refuses(RefusalCode.LOCKED_OUT):
            await world.open("Org2MSP", reference.reference_id)


class TestQueries:
    async def test_list_by_reference_in_pages(self, world: World, reference: Reference) -> None:
        opened = [await world.open(msp_id, reference.reference_id) for msp_id in MEMBERS]
        other = await world.enrol("Org2MSP")
        await world.open("Org1MSP", other.reference_id)
        seen: list[Authentication] = []
        bookmark = ""
        while True:
            request = ListAuthentications(reference_id=reference.reference_id, limit=2, bookmark=bookmark)
            page = await world.call(
                identity("AuditMSP", "auditor"), "authentication:List", request, Page[Authentication]
            )
            seen += page.entries
            if not (bookmark := page.bookmark):
                break
        assert seen == sorted(opened, key=lambda authentication: authentication.authentication_id)
        request_one = AuthenticationId(authentication_id=seen[0].authentication_id)
        one = await world.call(operator("Org2MSP"), "authentication:Get", request_one, Authentication)
        assert one == seen[0]

    async def test_no_attempts_yet(self, world: World, reference: Reference) -> None:
        with refuses(RefusalCode.NOT_FOUND):
            await world.attempts(reference.reference_id, "Org2MSP")
