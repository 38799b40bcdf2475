"""Two members' daemons with one swarm key: what the ledger lists is what both have pinned."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from veilmesh_node.content import IpfsContentStore, content_id
from veilmesh_node.content.kubo import OWN, REPLICA, KuboDaemon, Patience
from veilmesh_node.content.private_daemon import PrivateDaemon
from veilmesh_node.content.replication import Listed, Replication, list_surrogates
from veilmesh_node.environment import Environment
from veilmesh_node.errors import ContentMismatchError, ContentNotFoundError, ContentUnavailableError

from tests.integration.content.lying_daemon import lying_daemon, says
from tests.unit.node.plugs import MemoryConsortium, MemoryNode, enrol_request, forged_surrogate, photo

pytestmark = pytest.mark.ipfs

Listing = Callable[[], Awaitable[Mapping[str, Listed]]]


def listing_for(node: MemoryNode, consortium: MemoryConsortium) -> Listing:
    """The ledger as the command line reads it for a node."""

    async def listing() -> Mapping[str, Listed]:
        pages = [await node.ledger.references(msp_id, limit=100, bookmark="") for msp_id in consortium.nodes]
        return list_surrogates(
            [reference for page in pages for reference in page.entries], node_id=node.node_id
        )

    return listing


@pytest.fixture
async def consortium(tmp_path: Path) -> AsyncIterator[MemoryConsortium]:
    founded = await MemoryConsortium.found(tmp_path)
    yield founded
    founded.close()


def on_daemon(node: MemoryNode, daemon: KuboDaemon) -> MemoryNode:
    """Have a node store its surrogates in a daemon, as `ipfs_api` does."""
    environment: Environment = node.node.environment
    object.__setattr__(environment, "content", IpfsContentStore(daemon))
    return node


@pytest.fixture
def org1(consortium: MemoryConsortium, daemon: KuboDaemon) -> MemoryNode:
    return on_daemon(consortium.nodes["Org1MSP"], daemon)


@pytest.fixture
def org2(consortium: MemoryConsortium, other: KuboDaemon) -> MemoryNode:
    return on_daemon(consortium.nodes["Org2MSP"], other)


@pytest.fixture
def replication(consortium: MemoryConsortium, org2: MemoryNode, other: KuboDaemon) -> Replication:
    """Org2's."""
    return Replication(other, listing_for(org2, consortium))


async def enrol(node: MemoryNode, person: str, number: int = 1) -> tuple[str, str]:
    reference = (await node.node.enrolment.enrol(enrol_request(photo(person, number)))).reference
    return reference.reference_id, reference.surrogate_cid


async def test_a_reference_lives_in_daemons(
    org1: MemoryNode, daemon: KuboDaemon, other: KuboDaemon, replication: Replication
) -> None:
    """Enrolled, updated and erased: after each synchronisation both have what the ledger lists."""
    reference_id, first = await enrol(org1, "ada")
    assert await daemon.pins() == {first: OWN}
    difference = await replication.difference()
    assert [each.cid for each in difference.missing] == [first]
    assert await other.pins() == {}

    mended = await replication.mend()
    assert (mended.pinned, mended.unpinned, mended.failures) == ([first], [], [])
    assert await other.pins() == {first: REPLICA}
    assert not (await replication.difference()).mendable

    updated = await org1.node.enrolment.update(reference_id, enrol_request(photo("ada", 2)))
    second = updated.reference.surrogate_cid
    assert await daemon.pins() == {second: OWN}
    mended = await replication.mend()
    assert (mended.pinned, mended.unpinned) == ([second], [first])
    assert await other.pins() == {second: REPLICA}

    await org1.node.erasure.erase(reference_id, idempotency_key="")
    assert await daemon.pins() == {}
    mended = await replication.mend()
    assert (mended.pinned, mended.unpinned) == ([], [second])
    assert mended.collected_blocks >= 1
    assert await other.pins() == {}
    with pytest.raises(ContentNotFoundError):
        await daemon.read(second)  # neither of the two daemons has it any more


async def test_node_and_daemon_agree_or_the_node_says_so(
    org1: MemoryNode, daemon: KuboDaemon, process: PrivateDaemon
) -> None:
    reference_id, cid = await enrol(org1, "ada")
    assert await org1.node.agreement.check() == []
    process.run("pin", "rm", cid)
    (lost,) = await org1.node.agreement.check()
    assert (lost.reference_id, lost.what) == (reference_id, "its surrogate is not in the content store")
    await daemon.collect()


async def test_a_node_gets_back_what_its_daemon_lost(
    consortium: MemoryConsortium,
    org1: MemoryNode,
    daemon: KuboDaemon,
    replication: Replication,
) -> None:
    """A member whose daemon's disk died has its own surrogates from the others, as its own."""
    _, cid = await enrol(org1, "ada")
    await replication.mend()
    await daemon.unpin(cid)
    await daemon.collect()
    mended = await Replication(daemon, listing_for(org1, consortium)).mend()
    assert mended.pinned == [cid]
    assert await daemon.pins() == {cid: OWN}
    assert await org1.node.agreement.check() == []


async def test_what_was_added_by_hand_from_a_folder_becomes_the_nodes_own(
    consortium: MemoryConsortium, daemon: KuboDaemon, process: PrivateDaemon
) -> None:
    """The way from the folder to a daemon, as the operators' guide tells it."""
    org1 = consortium.nodes["Org1MSP"]
    _, cid = await enrol(org1, "ada")
    files = [str(path) for path in folder_of(org1).glob("*/b*")]
    assert process.run("add", "-Q", "--cid-version=1", "--raw-leaves", *files).split() == [cid]
    on_daemon(org1, daemon)
    assert (await Replication(daemon, listing_for(org1, consortium)).mend()).pinned == [cid]
    assert await org1.node.agreement.check() == []


def folder_of(node: MemoryNode) -> Path:
    return node.content._folder


async def test_what_no_member_has_is_told_and_the_rest_is_mended(
    org1: MemoryNode, daemon: KuboDaemon, other: KuboDaemon, replication: Replication
) -> None:
    (_, lost), (_, kept) = await enrol(org1, "ada"), await enrol(org1, "bob")
    await daemon.unpin(lost)
    await daemon.collect()
    mended = await replication.mend()
    (failure,) = mended.failures
    assert failure.listed == Listed(lost, ("Org1MSP",), ours=False)
    assert isinstance(failure.error, ContentNotFoundError)
    assert mended.pinned == [kept]
    assert await other.pins() == {kept: REPLICA}


async def test_neither_others_pins_nor_an_enrolment_under_way_is_touched(
    other: KuboDaemon, other_process: PrivateDaemon, replication: Replication, tmp_path: Path
) -> None:
    under_way = await IpfsContentStore(other).put(forged_surrogate(b"not on the ledger yet"))
    holiday = tmp_path / "holiday"
    holiday.write_bytes(b"somebody's own")
    theirs = other_process.run("add", "-Q", "--cid-version=1", str(holiday)).strip()
    assert (await replication.difference()).unlisted == [under_way]
    assert (await replication.mend()).unpinned == []
    assert await other.pins() == {under_way: OWN, theirs: ""}


async def test_what_is_erased_while_it_is_fetched_does_not_stay(
    consortium: MemoryConsortium, org1: MemoryNode, org2: MemoryNode, other: KuboDaemon
) -> None:
    reference_id, _ = await enrol(org1, "ada")
    read = listing_for(org2, consortium)
    listings = 0

    async def listing() -> Mapping[str, Listed]:
        nonlocal listings
        listings += 1
        if listings == 2:  # it has been fetched and pinned
            await org1.node.erasure.erase(reference_id, idempotency_key="")
        return await read()

    mended = await Replication(other, listing).mend()
    assert mended.pinned == []
    assert await other.pins() == {}


async def test_a_lie_is_not_pinned(org1: MemoryNode, consortium: MemoryConsortium) -> None:
    """Whatever the own daemon fetched: what is not what the ledger lists is told, and not pinned."""
    _, cid = await enrol(org1, "ada")
    pinned: list[str] = []

    def pins(_: object) -> None:
        pinned.append(cid)

    with lying_daemon({"cat": says(b"another image"), "pin/add": pins}) as address:
        daemon = KuboDaemon(address, Patience(answer_s=5.0, fetch_s=5.0, index_s=5.0))
        org2 = consortium.nodes["Org2MSP"]
        mended = await Replication(daemon, listing_for(org2, consortium)).mend()
        daemon.close()
    assert [type(each.error) for each in mended.failures] == [ContentMismatchError]
    assert pinned == []


async def test_a_daemon_that_is_down_ends_it(
    consortium: MemoryConsortium, repository: PrivateDaemon, org1: MemoryNode
) -> None:
    await enrol(org1, "ada")
    repository.start()
    daemon = KuboDaemon(repository.address)
    repository.stop()
    with pytest.raises(ContentUnavailableError, match="does not answer"):
        await Replication(daemon, listing_for(org1, consortium)).mend()
    daemon.close()


async def test_a_large_surrogate_is_replicated(daemon: KuboDaemon, other: KuboDaemon) -> None:
    image = bytes(range(256)) * 4000
    cid = await daemon.add(forged_surrogate(image))

    async def listing() -> Mapping[str, Listed]:
        return {cid: Listed(cid, ("Org1MSP",), ours=False)}

    assert cid == content_id(image)
    assert (await Replication(other, listing).mend()).pinned == [cid]
