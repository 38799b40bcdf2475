"""What the ledger lists is what is pinned: every member's daemon keeps the surrogates of all members.

    listed    a reference that is not erased names its surrogate on the ledger
    missing   listed, and not pinned here: it is fetched from the daemons this one is connected to, checked
              against its id, and pinned
    surplus   replicated once, and listed no more, since it was erased, replaced, or its owner is no member:
              it is unpinned, and with the garbage collection at the end it is gone
    unlisted  put here by this node, and not on the ledger. An enrolment may be about to register it, so it is
              shown and left alone; what the node knows of it `veilmesh node status` tells

Nothing is added here: what is pinned has come from a member's store, which takes surrogates alone, and a pin
is given only to what the ledger lists. The listing is read again after pinning: what was erased meanwhile is
unpinned at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from veilmesh_chaincode.records.enrolment import Reference, ReferenceStatus

from veilmesh_node.content.kubo import OWN, REPLICA, KuboDaemon
from veilmesh_node.errors import ContentUnavailableError, NodeError

FETCHED_AT_ONCE = 4  # each may take as much memory as the largest surrogate


@dataclass(frozen=True, slots=True)
class Listed:
    """A surrogate as the ledger lists it."""

    cid: str
    owners: tuple[str, ...]  # MSP ids; references with the same picture share a surrogate
    ours: bool  # one of its references is held by this node


@dataclass(frozen=True, slots=True)
class Difference:
    """Between the ledger and a daemon; all sorted by content id."""

    listed: int
    missing: Sequence[Listed]
    surplus: Sequence[str]
    unlisted: Sequence[str]

    @property
    def mendable(self) -> bool:
        return bool(self.missing or self.surplus)


@dataclass(frozen=True, slots=True)
class Failure:
    """A missing surrogate that could not be mended."""

    listed: Listed
    error: NodeError


@dataclass(frozen=True, slots=True)
class Mended:
    """What a synchronisation did."""

    before: Difference
    pinned: Sequence[str]
    unpinned: Sequence[str]
    failures: Sequence[Failure]
    collected_blocks: int


def list_surrogates(references: Iterable[Reference], *, node_id: str) -> dict[str, Listed]:
    """Return what references list, by content id; `node_id` is this node."""
    found: dict[str, Listed] = {}
    for reference in references:
        if reference.status is ReferenceStatus.ERASED:
            continue
        cid, before = reference.surrogate_cid, found.get(reference.surrogate_cid)
        owners = {reference.owner_msp_id, *(before.owners if before else ())}
        ours = reference.owner_node_id == node_id or (before is not None and before.ours)
        found[cid] = Listed(cid, tuple(sorted(owners)), ours)
    return found


def compare(listed: Mapping[str, Listed], pins: Mapping[str, str]) -> Difference:
    """Compare the ledger's list with a daemon's pins, whose names tell which are whose."""
    return Difference(
        listed=len(listed),
        missing=[
            listed[cid]
            for cid in sorted(listed)
            if cid not in pins or (listed[cid].ours and pins[cid] != OWN)
        ],
        surplus=sorted(cid for cid, name in pins.items() if name == REPLICA and cid not in listed),
        unlisted=sorted(cid for cid, name in pins.items() if name == OWN and cid not in listed),
    )


class Replication:
    """Between the ledger and one daemon, which belongs to the caller."""

    def __init__(self, daemon: KuboDaemon, listing: Callable[[], Awaitable[Mapping[str, Listed]]]) -> None:
        """Take charge; `listing` reads the ledger anew each time."""
        self._daemon = daemon
        self._listing = listing

    async def difference(self) -> Difference:
        """Compare, and change nothing.

        Raises:
            ContentUnavailableError: the daemon does not answer.
        """
        await self._daemon.require_private()
        return compare(await self._listing(), await self._daemon.pins())

    async def mend(self) -> Mended:
        """Pin what is missing, unpin what is surplus, and collect what nothing pins.

        Raises:
            ContentUnavailableError: the daemon does not answer. What another member's does not give is
                among the failures.
        """
        before = await self.difference()
        turns = asyncio.Semaphore(FETCHED_AT_ONCE)
        outcomes = await asyncio.gather(*(self._replicate(each, turns) for each in before.missing))
        failures = [outcome for outcome in outcomes if outcome is not None]
        failed = {failure.listed.cid for failure in failures}
        pinned = [each.cid for each in before.missing if each.cid not in failed]
        listed_still = await self._listing() if pinned else {}
        overtaken = [cid for cid in pinned if cid not in listed_still]
        for cid in (*before.surplus, *overtaken):
            await self._daemon.unpin(cid)
        return Mended(
            before=before,
            pinned=[cid for cid in pinned if cid in listed_still],
            unpinned=before.surplus,
            failures=failures,
            collected_blocks=await self._daemon.collect(),
        )

    async def _replicate(self, listed: Listed, turns: asyncio.Semaphore) -> Failure | None:
        """Have the daemon fetch and keep a surrogate; read it all, since a listed id may name anything."""
        async with turns:
            try:
                await self._daemon.read(listed.cid)
                await self._daemon.pin(listed.cid, OWN if listed.ours else REPLICA)
            except ContentUnavailableError:
                raise
            except NodeError as err:
                return Failure(listed, err)
        return None
