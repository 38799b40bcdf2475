"""Changes of the channel where several orderers have to agree on them: three of Raft, four of SmartBFT.

`test_config_updates.py` looks at the same ones, and at more, with one orderer.
"""

import asyncio
from functools import partial

import pytest
from veilmesh_fabric import verify_blocks
from veilmesh_network import channel_edits as edits
from veilmesh_network.consortium import Consortium

from tests.conformance.changes import chain, require_joining_and_leaving, require_revocation
from tests.fabric_network import FabricNetwork, found_consortium

pytestmark = pytest.mark.fabric


@pytest.fixture(scope="module", params=["raft3", "bft"])
def fabric(request: pytest.FixtureRequest) -> FabricNetwork:
    """A network that others use, too: what these tests change, they change back."""
    found: FabricNetwork = request.getfixturevalue(f"fabric_{request.param}_network")
    asyncio.run(found_consortium(found))
    return found


@pytest.fixture
def consortium(fabric: FabricNetwork) -> Consortium:
    return Consortium(fabric.network)


async def test_an_update_comes_into_force(fabric: FabricNetwork, consortium: Consortium) -> None:
    """One orderer is asked; of four, the block has the signatures of three."""
    before = (await consortium.configuration()).config
    for count in (before.orderer.max_message_count - 1, before.orderer.max_message_count):
        changed = await consortium.change(partial(edits.with_batches, max_message_count=count))
        for msp_id in fabric.members:
            found = await consortium.configuration(msp_id)
            assert found.config.root == changed.config.root
            assert found.config.orderer.max_message_count == count
    assert changed.config.sequence == before.sequence + 2


async def test_a_revoked_certificate_is_refused_by_every_peer(
    fabric: FabricNetwork, consortium: Consortium
) -> None:
    await require_revocation(fabric, consortium)


def test_a_fourth_member_joins_with_its_peer_counts_and_leaves(fabric: FabricNetwork) -> None:
    require_joining_and_leaving(fabric)


async def test_after_all_that_every_peers_chain_holds(fabric: FabricNetwork, consortium: Consortium) -> None:
    configuration = (await consortium.configuration()).config
    for msp_id in fabric.members:
        report = verify_blocks(await chain(fabric, msp_id), anchor=fabric.genesis)
        assert report.violation is None
        assert report.transactions["CONFIG", "VALID"] == configuration.sequence + 1
