"""A content store in an IPFS daemon of this node's own: content ids as in a folder, and replicas elsewhere.

What the node stores is pinned under a name of its own, so that the daemon never drops it, and `ids` tells it
from what `replication` pins for other members. Removing unpins and collects: what is erased is gone from this
daemon's disk when `remove` returns, and from the others' with their next `veilmesh content sync`.

Content of other members is read through the same daemon, which asks those that it is connected to.
"""

from collections.abc import Collection

from veilmesh_node.content.kubo import OWN, KuboDaemon
from veilmesh_node.surrogate import Surrogate


class IpfsContentStore:
    """Implements `ports.ContentStore`. The daemon's client belongs to the caller."""

    def __init__(self, daemon: KuboDaemon) -> None:
        self._daemon = daemon

    async def put(self, surrogate: Surrogate) -> str:
        return await self._daemon.add(surrogate)

    async def get(self, cid: str) -> bytes:
        return await self._daemon.read(cid)

    async def remove(self, cid: str) -> None:
        await self._daemon.unpin(cid)
        await self._daemon.collect()

    async def ids(self) -> Collection[str]:
        return [cid for cid, name in (await self._daemon.pins()).items() if name == OWN]
