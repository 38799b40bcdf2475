import pytest
from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.refusals import RefusalCode
from veilmesh_chaincode.records.registry import (
    ApproveModel,
    Consortium,
    FoundConsortium,
    Model,
    ModelDigest,
    ModelStatus,
    Node,
    NodeId,
    NodeIdentity,
    NodeRole,
    NodeStatus,
    RegisterNode,
)

from tests.unit.chaincode.consortium import (
    AUDITOR,
    MEMBERS,
    MODEL,
    World,
    digest,
    node_name,
    node_registration,
    operator,
    sidecar,
)
from tests.unit.chaincode.refusing import refuses

FIVE = ("Org1MSP", "Org2MSP", "Org3MSP", "Org4MSP", "Org5MSP")


class TestFounding:
    async def test_names_members_and_auditors(self) -> None:
        consortium = await World().found(("Org2MSP", "Org1MSP"))
        assert (consortium.members, consortium.auditors) == (["Org1MSP", "Org2MSP"], [AUDITOR])

    async def test_happens_once(self, founded: World) -> None:
        with refuses(RefusalCode.ALREADY_EXISTS):
            await founded.found(("Org4MSP",))

    async def test_includes_the_founder(self) -> None:
        request = FoundConsortium(members=["Org1MSP"], auditors=[])
        with refuses(RefusalCode.NOT_A_MEMBER):
            await World().call(operator("Org2MSP"), "registry:FoundConsortium", request, Consortium)

    async def test_an_auditor_is_no_member(self) -> None:
        request = FoundConsortium(members=["Org1MSP"], auditors=["Org1MSP"])
        with refuses(RefusalCode.MALFORMED):
            await World().call(operator("Org1MSP"), "registry:FoundConsortium", request, Consortium)

    async def test_comes_before_everything_else(self) -> None:
        with refuses(RefusalCode.NOT_FOUNDED):
            await World().register_node("Org1MSP")
        with refuses(RefusalCode.NOT_FOUNDED):
            await World().members()


class TestMembership:
    async def test_admission_needs_a_majority(self, founded: World) -> None:
        assert not (await founded.admit("Org4MSP", "Org1MSP")).carried
        assert await founded.members() == list(MEMBERS)
        assert (await founded.admit("Org4MSP", "Org3MSP")).carried
        assert await founded.members() == [*MEMBERS, "Org4MSP"]

    async def test_one_vote_an_organisation(self, founded: World) -> None:
        await founded.admit("Org4MSP", "Org1MSP")
        with refuses(RefusalCode.ALREADY_VOTED):
            await founded.admit("Org4MSP", "Org1MSP")

    async def test_an_applicant_does_not_vote(self, founded: World) -> None:
        with refuses(RefusalCode.ACCESS_DENIED):
            await founded.admit("Org4MSP", "Org4MSP")

    async def test_members_and_auditors_cannot_be_admitted(self, founded: World) -> None:
        for msp_id in ("Org2MSP", AUDITOR):
            with refuses(RefusalCode.ALREADY_EXISTS):
                await founded.admit(msp_id, "Org1MSP")

    async def test_expulsion_ends_voting_and_acting(self, world: World) -> None:
        for voter in ("Org1MSP", "Org2MSP"):
            await world.expel("Org3MSP", voter)
        assert await world.members() == ["Org1MSP", "Org2MSP"]
        with refuses(RefusalCode.ACCESS_DENIED):
            await world.admit("Org4MSP", "Org3MSP")
        with refuses(RefusalCode.ACCESS_DENIED):
            await world.enrol("Org3MSP")

    async def test_only_members_are_expelled(self, founded: World) -> None:
        with refuses(RefusalCode.NOT_A_MEMBER):
            await founded.expel("Org4MSP", "Org1MSP")

    async def test_the_last_member_stays(self) -> None:
        world = World()
        await world.found(("Org1MSP",))
        with refuses(RefusalCode.MEMBERSHIP_LIMIT):
            await world.expel("Org1MSP", "Org1MSP")

    async def test_there_is_room_for_256_members(self) -> None:
        world = World()
        await world.found([f"Org{number}MSP" for number in range(256)])
        with refuses(RefusalCode.MEMBERSHIP_LIMIT):
            await world.admit("OneMoreMSP", "Org1MSP")

    async def test_an_expelled_organisations_vote_no_longer_counts(self) -> None:
        world = World()
        await world.found(FIVE)
        node = await world.register_node("Org1MSP")
        for voter in ("Org4MSP", "Org5MSP"):
            await world.approve_node(node.node_id, voter)
        for voter in FIVE[:3]:
            await world.expel("Org5MSP", voter)
        node = await world.approve_node(node.node_id, "Org1MSP")
        assert (node.status, node.approvals) == (NodeStatus.PENDING, ["Org4MSP", "Org1MSP"])
        assert (await world.approve_node(node.node_id, "Org2MSP")).status is NodeStatus.ACTIVE

    async def test_readmission_does_not_revive_old_votes(self) -> None:
        world = World()
        await world.found(FIVE)
        node = await world.register_node("Org1MSP")
        for voter in ("Org4MSP", "Org5MSP"):
            await world.approve_node(node.node_id, voter)
        for voter in FIVE[:3]:
            await world.expel("Org5MSP", voter)
        for voter in FIVE[:3]:
            await world.admit("Org5MSP", voter)
        node = await world.approve_node(node.node_id, "Org1MSP")
        assert node.status is NodeStatus.PENDING
        assert (await world.approve_node(node.node_id, "Org5MSP")).status is NodeStatus.ACTIVE

    async def test_expulsion_can_decide_a_vote_that_all_have_cast(self) -> None:
        world = World()
        await world.found(FIVE[:4])
        node = await world.register_node("Org1MSP")
        for voter in FIVE[:2]:
            await world.approve_node(node.node_id, voter)
        for voter in FIVE[:3]:
            await world.expel("Org4MSP", voter)
        # Two of three: a majority now, and either of the two may ask for the count.
        assert (await world.approve_node(node.node_id, "Org1MSP")).status is NodeStatus.ACTIVE


class TestNodes:
    async def test_a_majority_activates(self, founded: World) -> None:
        node = await founded.register_node("Org1MSP")
        assert node.status is NodeStatus.PENDING
        assert node.identity_sha256 == sidecar("Org1MSP").identity_sha256
        assert (await founded.approve_node(node.node_id, "Org1MSP")).status is NodeStatus.PENDING
        assert (await founded.approve_node(node.node_id, "Org2MSP")).status is NodeStatus.ACTIVE
        with refuses(RefusalCode.STALE_PROPOSAL):
            await founded.approve_node(node.node_id, "Org3MSP")

    async def test_nobody_approves_twice(self, founded: World) -> None:
        node = await founded.register_node("Org1MSP")
        await founded.approve_node(node.node_id, "Org2MSP")
        with refuses(RefusalCode.ALREADY_VOTED):
            await founded.approve_node(node.node_id, "Org2MSP")

    async def test_registering_again_starts_anew(self, world: World) -> None:
        node = await world.register_node("Org1MSP")
        assert (node.status, node.approvals) == (NodeStatus.PENDING, [])
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.enrol("Org1MSP")

    async def test_a_new_identity_takes_the_node_over_and_the_old_one_is_free(self, world: World) -> None:
        request = node_registration("Org1MSP")
        await world.call(sidecar("Org1MSP", 2), "registry:RegisterNode", request, Node)
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.enrol("Org1MSP")
        identity = NodeIdentity(identity_sha256=sidecar("Org1MSP", 2).identity_sha256)
        found = await world.call(operator("Org2MSP"), "registry:NodeOfIdentity", identity, Node)
        assert found.node_id == request.node_id
        old = NodeIdentity(identity_sha256=sidecar("Org1MSP").identity_sha256)
        with refuses(RefusalCode.NOT_FOUND):
            await world.call(operator("Org2MSP"), "registry:NodeOfIdentity", old, Node)

    async def test_another_organisations_name_is_taken(self, world: World) -> None:
        request = node_registration("Org1MSP")
        with refuses(RefusalCode.ALREADY_EXISTS):
            await world.call(sidecar("Org2MSP"), "registry:RegisterNode", request, Node)

    async def test_one_identity_is_one_node(self, world: World) -> None:
        request = node_registration("Org1MSP", 2)
        with refuses(RefusalCode.ALREADY_EXISTS):
            await world.call(sidecar("Org1MSP", 1), "registry:RegisterNode", request, Node)

    async def test_its_own_organisation_suspends_at_once(self, world: World) -> None:
        assert (await world.suspend_node(node_name("Org1MSP"), "Org1MSP")).status is NodeStatus.SUSPENDED
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.suspend_node(node_name("Org1MSP"), "Org1MSP")

    async def test_the_others_suspend_by_a_majority_of_themselves(self, world: World) -> None:
        node_id = node_name("Org1MSP")
        assert (await world.suspend_node(node_id, "Org2MSP")).status is NodeStatus.ACTIVE
        with refuses(RefusalCode.ALREADY_VOTED):
            await world.suspend_node(node_id, "Org2MSP")
        assert (await world.suspend_node(node_id, "Org3MSP")).status is NodeStatus.SUSPENDED
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.approve_node(node_id, "Org1MSP")
        assert (await world.add_node("Org1MSP")).status is NodeStatus.ACTIVE

    async def test_retirement_is_its_organisations_and_final(self, world: World) -> None:
        request = NodeId(node_id=node_name("Org1MSP"))
        with refuses(RefusalCode.NOT_OWNER):
            await world.call(operator("Org2MSP"), "registry:RetireNode", request, Node)
        retired = await world.call(operator("Org1MSP"), "registry:RetireNode", request, Node)
        assert retired.status is NodeStatus.RETIRED
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.call(operator("Org1MSP"), "registry:RetireNode", request, Node)
        with refuses(RefusalCode.ALREADY_EXISTS):
            await world.register_node("Org1MSP")
        with refuses(RefusalCode.NODE_NOT_ACTIVE):
            await world.approve_node(request.node_id, "Org1MSP")

    async def test_an_expelled_organisations_node_is_not_approved(self, founded: World) -> None:
        node = await founded.register_node("Org3MSP")
        for voter in ("Org1MSP", "Org2MSP"):
            await founded.expel("Org3MSP", voter)
        with refuses(RefusalCode.NOT_A_MEMBER):
            await founded.approve_node(node.node_id, "Org1MSP")

    async def test_roles_are_distinct(self) -> None:
        fields = dict(node_registration("Org1MSP")) | {"roles": [NodeRole.OWNER, NodeRole.OWNER]}
        with pytest.raises(ValueError, match="distinct"):
            RegisterNode(**fields)

    async def test_unknown_node(self, founded: World) -> None:
        with refuses(RefusalCode.NOT_FOUND) as refusal:
            await founded.approve_node("nowhere", "Org1MSP")
        assert refusal.value.message == "node nowhere is unknown"

    async def test_list_in_pages(self, founded: World) -> None:
        for number in range(1, 6):
            await founded.register_node("Org1MSP", number)
        seen: list[str] = []
        bookmark = ""
        while True:
            request = PageRequest(limit=2, bookmark=bookmark)
            page = await founded.call(operator("Org1MSP"), "registry:ListNodes", request, Page[Node])
            assert len(page.entries) <= 2
            seen += [node.node_id for node in page.entries]
            bookmark = page.bookmark
            if not bookmark:
                break
        assert seen == [node_name("Org1MSP", number) for number in range(1, 6)]


class TestModels:
    async def approve(self, world: World, voter: str, model_digest: str, name: str = "m") -> Model:
        request = ApproveModel(model_digest=model_digest, name=name)
        return await world.call(operator(voter), "registry:ApproveModel", request, Model)

    async def retire(self, world: World, voter: str, model_digest: str) -> Model:
        request = ModelDigest(model_digest=model_digest)
        return await world.call(operator(voter), "registry:RetireModel", request, Model)

    async def test_approved_and_retired_by_majority(self, world: World) -> None:
        model_digest = digest("other model")
        assert (await self.approve(world, "Org1MSP", model_digest)).status is ModelStatus.PENDING
        with refuses(RefusalCode.ALREADY_VOTED):
            await self.approve(world, "Org1MSP", model_digest)
        with refuses(RefusalCode.MODEL_NOT_APPROVED):
            await self.retire(world, "Org1MSP", model_digest)
        assert (await self.approve(world, "Org2MSP", model_digest)).status is ModelStatus.APPROVED
        assert (await self.retire(world, "Org3MSP", model_digest)).status is ModelStatus.APPROVED
        with refuses(RefusalCode.ALREADY_VOTED):
            await self.retire(world, "Org3MSP", model_digest)
        assert (await self.retire(world, "Org2MSP", model_digest)).status is ModelStatus.RETIRED
        with refuses(RefusalCode.STALE_PROPOSAL):
            await self.approve(world, "Org1MSP", model_digest)

    async def test_a_vote_is_for_a_digest_under_a_name(self, world: World) -> None:
        await self.approve(world, "Org1MSP", digest("other model"), "one")
        with refuses(RefusalCode.MODEL_MISMATCH):
            await self.approve(world, "Org2MSP", digest("other model"), "two")

    async def test_a_retired_model_may_not_be_cited(self, world: World) -> None:
        reference = await world.enrol("Org1MSP")
        for voter in ("Org1MSP", "Org2MSP"):
            await self.retire(world, voter, MODEL)
        with refuses(RefusalCode.MODEL_NOT_APPROVED):
            await world.enrol("Org1MSP")
        with refuses(RefusalCode.MODEL_NOT_APPROVED):
            await world.open("Org2MSP", reference.reference_id)

    async def test_get_and_list(self, world: World) -> None:
        model = await world.call(
            operator("Org1MSP"), "registry:GetModel", ModelDigest(model_digest=MODEL), Model
        )
        page = await world.call(operator("Org1MSP"), "registry:ListModels", PageRequest(), Page[Model])
        assert page.entries == [model]
