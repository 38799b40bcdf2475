from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.policy import Policy, PolicyProposal, ProposalId, ProposalStatus
from veilmesh_chaincode.records.refusals import RefusalCode

from tests.unit.chaincode.consortium import TERMS, World, operator
from tests.unit.chaincode.refusing import refuses

FIVE = ("Org1MSP", "Org2MSP", "Org3MSP", "Org4MSP", "Org5MSP")


async def current(world: World) -> Policy:
    return await world.call(operator("Org1MSP"), "policy:Current", None, Policy)


async def test_a_majority_adopts(founded: World) -> None:
    proposal = await founded.propose("Org1MSP", 0)
    assert (proposal.status, proposal.approvals) == (ProposalStatus.OPEN, ["Org1MSP"])
    with refuses(RefusalCode.NO_POLICY):
        await current(founded)
    proposal = await founded.vote("Org3MSP", proposal.proposal_id)
    assert proposal.status is ProposalStatus.ADOPTED
    policy = await current(founded)
    assert (policy.version, policy.terms, policy.approvals) == (1, TERMS, ["Org1MSP", "Org3MSP"])


async def test_a_lone_member_adopts_by_proposing() -> None:
    world = World()
    await world.found(("Org1MSP",))
    assert (await world.propose("Org1MSP", 0)).status is ProposalStatus.ADOPTED


async def test_what_no_majority_can_carry_is_rejected(founded: World) -> None:
    proposal = await founded.propose("Org1MSP", 0)
    proposal = await founded.vote("Org2MSP", proposal.proposal_id, approve=False)
    assert proposal.status is ProposalStatus.OPEN
    proposal = await founded.vote("Org3MSP", proposal.proposal_id, approve=False)
    assert proposal.status is ProposalStatus.REJECTED


async def test_an_even_split_is_rejected() -> None:
    world = World()
    await world.found(FIVE[:4])
    proposal = await world.propose("Org1MSP", 0)
    await world.vote("Org2MSP", proposal.proposal_id)
    await world.vote("Org3MSP", proposal.proposal_id, approve=False)
    proposal = await world.vote("Org4MSP", proposal.proposal_id, approve=False)
    assert proposal.status is ProposalStatus.REJECTED


async def test_one_vote_an_organisation_and_no_second_thoughts(founded: World) -> None:
    proposal = await founded.propose("Org1MSP", 0)
    for approve in (True, False):
        with refuses(RefusalCode.ALREADY_VOTED):
            await founded.vote("Org1MSP", proposal.proposal_id, approve=approve)


async def test_a_decided_proposal_is_closed(founded: World) -> None:
    proposal = await founded.adopt(TERMS)
    with refuses(RefusalCode.STALE_PROPOSAL):
        await founded.vote("Org3MSP", proposal.proposal_id)


async def test_a_proposal_falls_with_the_version_it_would_replace(founded: World) -> None:
    late = await founded.propose("Org1MSP", 0)
    await founded.adopt(TERMS)
    with refuses(RefusalCode.STALE_PROPOSAL):
        await founded.vote("Org2MSP", late.proposal_id)
    with refuses(RefusalCode.STALE_PROPOSAL):
        await founded.propose("Org1MSP", 0)
    with refuses(RefusalCode.STALE_PROPOSAL):
        await founded.propose("Org1MSP", 7)
    assert (await founded.propose("Org1MSP", 1)).status is ProposalStatus.OPEN


async def test_votes_of_the_expelled_do_not_count() -> None:
    world = World()
    await world.found(FIVE)
    proposal = await world.propose("Org5MSP", 0)
    await world.vote("Org4MSP", proposal.proposal_id)
    for voter in FIVE[:3]:
        await world.expel("Org5MSP", voter)
    proposal = await world.vote("Org1MSP", proposal.proposal_id)
    assert (proposal.status, proposal.approvals) == (ProposalStatus.OPEN, ["Org4MSP", "Org1MSP"])
    proposal = await world.vote("Org2MSP", proposal.proposal_id)
    assert proposal.status is ProposalStatus.ADOPTED


async def test_expulsion_can_decide_a_vote_that_all_have_cast() -> None:
    world = World()
    await world.found(FIVE[:4])
    proposal = await world.propose("Org1MSP", 0)
    await world.vote("Org2MSP", proposal.proposal_id)
    await world.vote("Org3MSP", proposal.proposal_id, approve=False)
    for voter in FIVE[:3]:
        await world.expel("Org4MSP", voter)
    # Even the opponent may ask for the count; the vote it brings along is not counted a second time.
    proposal = await world.vote("Org3MSP", proposal.proposal_id, approve=False)
    assert (proposal.status, proposal.rejections) == (ProposalStatus.ADOPTED, ["Org3MSP"])


async def test_history_in_order_of_version(founded: World) -> None:
    for version in range(11):
        await founded.adopt(TERMS.replace(attempt_limit=version + 1), version)
    request = PageRequest(limit=10)
    page = await founded.call(operator("Org1MSP"), "policy:History", request, Page[Policy])
    assert [policy.version for policy in page.entries] == list(range(1, 11))
    request = PageRequest(limit=10, bookmark=page.bookmark)
    page = await founded.call(operator("Org1MSP"), "policy:History", request, Page[Policy])
    assert [policy.version for policy in page.entries] == [11]
    assert (await current(founded)).version == 11


async def test_get_proposal(founded: World) -> None:
    proposal = await founded.propose("Org1MSP", 0)
    request = ProposalId(proposal_id=proposal.proposal_id)
    assert await founded.call(operator("Org2MSP"), "policy:GetProposal", request, PolicyProposal) == proposal
