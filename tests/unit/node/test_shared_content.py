"""Two references may share a surrogate: one that goes does not take it from one that comes."""

import asyncio
from collections.abc import Collection

import pytest
from veilmesh_node.content import FolderContentStore
from veilmesh_node.surrogate import Surrogate

from tests.unit.node.plugs import MemoryConsortium, MemoryNode, enrol_request, photo


class SlowStore:
    """Implements `ports.ContentStore` over a folder, as slowly as a daemon may be."""

    def __init__(self, store: FolderContentStore) -> None:
        self._store = store
        self.stored = asyncio.Event()

    async def put(self, surrogate: Surrogate) -> str:
        cid = await self._store.put(surrogate)
        self.stored.set()
        await asyncio.sleep(0.05)
        return cid

    async def get(self, cid: str) -> bytes:
        return await self._store.get(cid)

    async def remove(self, cid: str) -> None:
        await asyncio.sleep(0.05)
        await self._store.remove(cid)

    async def ids(self) -> Collection[str]:
        return await self._store.ids()


@pytest.fixture
def org1(consortium: MemoryConsortium) -> MemoryNode:
    return consortium.nodes["Org1MSP"]


@pytest.mark.parametrize("comes_first", ["enrolment", "erasure"])
async def test_erased_and_enrolled_at_once(org1: MemoryNode, comes_first: str) -> None:
    enrolment, erasure = org1.node.enrolment, org1.node.erasure
    first = (await enrolment.enrol(enrol_request(photo("ada")))).reference
    slow = SlowStore(org1.content)
    object.__setattr__(org1.node.environment, "content", slow)
    coming = enrolment.enrol(enrol_request(photo("ada")))
    going = erasure.erase(first.reference_id, idempotency_key="")
    if comes_first == "enrolment":
        task = asyncio.create_task(coming)
        await slow.stored.wait()
        await going
        enrolled = await task
    else:
        _, enrolled = await asyncio.gather(going, coming)
    assert enrolled.reference.surrogate_cid == first.surrogate_cid
    assert await org1.node.agreement.check() == []
    assert (await org1.node.inquiry.surrogate(enrolled.reference.reference_id)).image
