from typing import Any

import pytest
from veilmesh_chaincode.keys import REFERENCES
from veilmesh_chaincode.records.enrolment import (
    GetHistory,
    HistoryEntry,
    ListReferences,
    Reference,
    ReferenceKey,
    ReferenceStatus,
    RevocationReason,
    RevokeReference,
    ShareReference,
)
from veilmesh_chaincode.records.pages import Page
from veilmesh_chaincode.records.refusals import RefusalCode
from veilmesh_chaincode.records.registry import NodeRole

from tests.unit.chaincode.consortium import (
    MODEL,
    START_S,
    TERMS,
    World,
    digest,
    node_name,
    operator,
    registration,
    sidecar,
)
from tests.unit.chaincode.memory_ledger import ENDORSEMENT_POLICY_FAILURE, MVCC_READ_CONFLICT, VALID
from tests.unit.chaincode.refusing import refuses


async def revoke(world: World, msp_id: str, reference_id: str) -> Reference:
    request = RevokeReference(reference_id=reference_id, reason=RevocationReason.WITHDRAWN_CONSENT)
    return await world.call(sidecar(msp_id), "enrolment:Revoke", request, Reference)


async def share(world: World, msp_id: str, reference_id: str, with_msp_id: str) -> Reference:
    request = ShareReference(reference_id=reference_id, msp_id=with_msp_id)
    return await world.call(sidecar(msp_id), "enrolment:Share", request, Reference)


async def get(world: World, reference_id: str) -> Reference:
    return await world.call(
        operator("Org3MSP"), "enrolment:Get", ReferenceKey(reference_id=reference_id), Reference
    )


class TestRegister:
    async def test_belongs_to_the_acting_node(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        assert (reference.owner_msp_id, reference.owner_node_id) == ("Org1MSP", node_name("Org1MSP"))
        assert (reference.version, reference.status) == (1, ReferenceStatus.ACTIVE)
        assert await get(world, reference.reference_id) == reference

    async def test_an_id_is_used_once_even_after_erasure(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        await world.erase("Org1MSP", reference.reference_id)
        for msp_id in ("Org1MSP", "Org2MSP"):
            with refuses(RefusalCode.ALREADY_EXISTS):
                await world.enrol(msp_id, reference_id=reference.reference_id)

    async def test_two_at_once_are_one(self, world: World) -> None:
        simulated = [
            await world.ledger.simulate(
                sidecar(msp_id), "enrolment:Register", registration(), now_s=world.now_s
            )
            for msp_id in ("Org1MSP", "Org2MSP")
        ]
        assert [world.ledger.commit(transaction) for transaction in simulated] == [VALID, MVCC_READ_CONFLICT]

    async def test_needs_an_active_node_with_role_owner(self, world: World) -> None:
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.enrol("Org1MSP", 9)
        await world.add_node("Org1MSP", 2, [NodeRole.RELYING])
        with refuses(RefusalCode.ROLE_MISSING):
            await world.enrol("Org1MSP", 2)
        await world.suspend_node(node_name("Org1MSP"), "Org1MSP")
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.enrol("Org1MSP")

    async def test_needs_a_policy(self, founded: World) -> None:
        await founded.add_node("Org1MSP")
        await founded.approve_model(MODEL)
        with refuses(RefusalCode.NO_POLICY):
            await founded.enrol("Org1MSP")

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"model_digest": digest("unapproved")}, RefusalCode.MODEL_NOT_APPROVED),
            ({"anonymizer": "blur"}, RefusalCode.METHOD_NOT_ALLOWED),
            ({"expires_at_s": START_S}, RefusalCode.REFERENCE_EXPIRED),
            ({"expires_at_s": -(2**53 - 1)}, RefusalCode.REFERENCE_EXPIRED),
            ({"expires_at_s": START_S + TERMS.reference_retention_s + 1}, RefusalCode.RETENTION_EXCEEDED),
        ],
    )
    async def test_keeps_to_the_policy(self, world: World, change: dict[str, Any], code: RefusalCode) -> None:
        reference = await world.enrol("Org1MSP")
        with refuses(code):
            await world.enrol("Org1MSP", **change)
        with refuses(code):
            await world.update("Org1MSP", reference, **change)

    async def test_may_live_as_long_as_the_policy_allows(self, world: World) -> None:
        expires_at_s = START_S + TERMS.reference_retention_s
        assert (await world.enrol("Org1MSP", expires_at_s=expires_at_s)).expires_at_s == expires_at_s


class TestChanges:
    async def test_update_is_the_next_version(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        world.now_s += 10
        updated = await world.update("Org1MSP", reference, template_commitment=digest("new template"))
        assert (updated.version, updated.updated_at_s) == (2, world.now_s)
        assert updated.created_at_s == reference.created_at_s
        with refuses(RefusalCode.VERSION_CONFLICT):
            await world.update("Org1MSP", reference)

    async def test_another_node_of_the_owner_takes_over(self, world: World) -> None:
        await world.add_node("Org1MSP", 2)
        updated = await world.update("Org1MSP", await world.enrol("Org1MSP"), 2)
        assert updated.owner_node_id == node_name("Org1MSP", 2)

    async def test_an_expired_reference_can_be_renewed_revoked_and_erased(self, world: World) -> None:
        references = [await world.enrol("Org1MSP") for _ in range(3)]
        world.now_s = references[0].expires_at_s
        renewed = await world.update("Org1MSP", references[0], expires_at_s=world.now_s + 1)
        assert renewed.expires_at_s == world.now_s + 1
        assert (await revoke(world, "Org1MSP", references[1].reference_id)).status is ReferenceStatus.REVOKED
        assert (await world.erase("Org1MSP", references[2].reference_id)).status is ReferenceStatus.ERASED

    async def test_revoked_is_not_active(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        revoked = await revoke(world, "Org1MSP", reference.reference_id)
        assert revoked.revocation_reason is RevocationReason.WITHDRAWN_CONSENT
        with refuses(RefusalCode.REFERENCE_NOT_ACTIVE):
            await revoke(world, "Org1MSP", reference.reference_id)
        with refuses(RefusalCode.REFERENCE_NOT_ACTIVE):
            await world.update("Org1MSP", reference)
        with refuses(RefusalCode.REFERENCE_NOT_ACTIVE):
            await share(world, "Org1MSP", reference.reference_id, "Org2MSP")
        assert (await world.erase("Org1MSP", reference.reference_id)).status is ReferenceStatus.ERASED

    async def test_erased_is_final(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        erased = await world.erase("Org1MSP", reference.reference_id)
        assert erased.template_commitment == reference.template_commitment
        for attempt in (
            world.erase("Org1MSP", reference.reference_id),
            revoke(world, "Org1MSP", reference.reference_id),
            world.update("Org1MSP", reference),
        ):
            with refuses(RefusalCode.REFERENCE_NOT_ACTIVE):
                await attempt

    async def test_share_with_a_member_once(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        shared = await share(world, "Org1MSP", reference.reference_id, "Org2MSP")
        assert shared.shared_with == ["Org2MSP"]
        for msp_id in ("Org1MSP", "Org2MSP"):
            with refuses(RefusalCode.ALREADY_EXISTS):
                await share(world, "Org1MSP", reference.reference_id, msp_id)
        with refuses(RefusalCode.NOT_A_MEMBER):
            await share(world, "Org1MSP", reference.reference_id, "Org4MSP")

    async def test_time_does_not_run_backwards(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        world.now_s -= 7
        with refuses(RefusalCode.TIME_RUNS_BACKWARDS) as refusal:
            await world.erase("Org1MSP", reference.reference_id)
        assert refusal.value.retry_at_s == reference.updated_at_s
        world.now_s += 7
        await world.erase("Org1MSP", reference.reference_id)


class TestOwnership:
    async def test_nobody_else_changes_a_reference(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        for attempt in (
            world.update("Org2MSP", reference),
            revoke(world, "Org2MSP", reference.reference_id),
            world.erase("Org2MSP", reference.reference_id),
            share(world, "Org2MSP", reference.reference_id, "Org2MSP"),
        ):
            with refuses(RefusalCode.NOT_OWNER):
                await attempt
        assert await get(world, reference.reference_id) == reference

    async def test_a_change_needs_the_owners_peer(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        request = ReferenceKey(reference_id=reference.reference_id)

        async def commit(*endorsed_by: str) -> str:
            simulated = await world.ledger.simulate(
                sidecar("Org1MSP"), "enrolment:Erase", request, now_s=world.now_s
            )
            return world.ledger.commit(simulated, endorsed_by=endorsed_by)

        assert await commit("Org2MSP", "Org3MSP") == ENDORSEMENT_POLICY_FAILURE
        assert (await get(world, reference.reference_id)).status is ReferenceStatus.ACTIVE
        assert await commit("Org1MSP", "Org2MSP") == VALID

    async def test_what_the_owners_peer_wrote_alone_is_not_accepted(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        # The owner's own endorsement satisfies the key's policy, so its peer could make up this write set.
        simulated = await world.ledger.simulate(
            sidecar("Org1MSP"),
            "enrolment:Erase",
            ReferenceKey(reference_id=reference.reference_id),
            now_s=world.now_s,
        )
        forged = reference.replace(expires_at_s=START_S + 10**9)
        simulated.stub.writes.clear()
        simulated.stub.writes[REFERENCES.key(reference.reference_id)] = forged.to_bytes()
        assert world.ledger.commit(simulated, endorsed_by=["Org1MSP"]) == VALID
        for attempt in (
            get(world, reference.reference_id),
            world.open("Org2MSP", reference.reference_id),
            world.update("Org1MSP", forged),
        ):
            with refuses(RefusalCode.NOT_COUNTERSIGNED):
                await attempt
        listing = ListReferences(owner_msp_id="Org1MSP")
        with refuses(RefusalCode.NOT_COUNTERSIGNED):
            await world.call(operator("Org2MSP"), "enrolment:List", listing, Page[Reference])


class TestQueries:
    async def test_list_by_owner_in_order_of_id(self, world: World) -> None:
        mine = sorted([(await world.enrol("Org1MSP")).reference_id for _ in range(5)])
        await world.enrol("Org2MSP")
        seen: list[str] = []
        bookmark = ""
        while True:
            request = ListReferences(owner_msp_id="Org1MSP", limit=2, bookmark=bookmark)
            page = await world.call(operator("Org3MSP"), "enrolment:List", request, Page[Reference])
            seen += [reference.reference_id for reference in page.entries]
            if not (bookmark := page.bookmark):
                break
        assert seen == mine

    async def test_a_bookmark_does_not_lead_out_of_the_list(self, world: World) -> None:
        await world.enrol("Org1MSP")
        await world.enrol("Org2MSP")
        for bookmark in ("zzzz", "0", "Org2MSP"):
            request = ListReferences(owner_msp_id="Org1MSP", bookmark=bookmark)
            page = await world.call(operator("Org3MSP"), "enrolment:List", request, Page[Reference])
            assert all(reference.owner_msp_id == "Org1MSP" for reference in page.entries)

    async def test_a_page_is_bounded_in_bytes(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        mine = sorted([(await world.enrol("Org1MSP")).reference_id for _ in range(3)])
        monkeypatch.setattr("veilmesh_chaincode.state.MAX_PAGE_BYTES", 1)
        seen: list[str] = []
        bookmark = ""
        while True:
            request = ListReferences(owner_msp_id="Org1MSP", bookmark=bookmark)
            page = await world.call(operator("Org3MSP"), "enrolment:List", request, Page[Reference])
            assert len(page.entries) == 1
            seen.append(page.entries[0].reference_id)
            if not (bookmark := page.bookmark):
                break
        assert seen == mine

    async def test_history_newest_first_in_pages(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        for _ in range(4):
            reference = await world.update("Org1MSP", reference)
        versions: list[int] = []
        bookmark = ""
        while True:
            request = GetHistory(reference_id=reference.reference_id, limit=2, bookmark=bookmark)
            page = await world.call(operator("Org3MSP"), "enrolment:History", request, Page[HistoryEntry])
            versions += [entry.reference.version for entry in page.entries]
            if not (bookmark := page.bookmark):
                break
        assert versions == [5, 4, 3, 2, 1]
        foreign = GetHistory(reference_id=reference.reference_id, bookmark=digest("elsewhere"))
        with refuses(RefusalCode.MALFORMED):
            await world.call(operator("Org3MSP"), "enrolment:History", foreign, Page[HistoryEntry])
