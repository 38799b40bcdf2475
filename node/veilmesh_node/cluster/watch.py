"""Keeps the roster true while a head runs: asks the ledger about each machine, and Ray who is there.

A machine that may work no more is sent away in three ways at once: its supervisor hears so at its next word
and ends Ray there; jobs do not find it in the roster, end what they have there and give it to others; and Ray
holds it for dead, whether it obeys or not. A machine in Ray that nobody admitted is struck off likewise.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Protocol

from veilmesh_chaincode.records.refusals import Refusal

from veilmesh_node.cluster.errors import AdmissionRefusedError, RayFailedError
from veilmesh_node.cluster.head_metrics import HeadMetrics
from veilmesh_node.cluster.membership import CONFIRM_EVERY_S, Member, Roster, require_worker
from veilmesh_node.cluster.standing import require_active
from veilmesh_node.errors import LedgerError
from veilmesh_node.ports import Ledger

STRANGER_AFTER_S = 30.0  # Ray knows of a machine before its supervisor can say which it is
CONFIRMED_AT_ONCE = 50

_log = logging.getLogger(__name__)


class RayList(Protocol):
    """Ray's own list of machines, as `ray_nodes.RayNodes` has it. Its methods block."""

    def alive(self) -> Collection[str]: ...

    def strike_off(self, ray_node_ids: Collection[str]) -> None: ...


class Watch:
    def __init__(
        self,
        roster: Roster,
        ledger: Ledger,
        ray: RayList,
        metrics: HeadMetrics,
        *,
        msp_ids: Collection[str],
        own_node_id: str,
        own_ray_node_id: str,
    ) -> None:
        """Take charge of `roster`; the last two are the head's own node, and Ray's id of its machine."""
        self._roster = roster
        self._ledger = ledger
        self._ray = ray
        self._metrics = metrics
        self._msp_ids = msp_ids
        self._own_node_id = own_node_id
        self._own_ray_node_id = own_ray_node_id
        self._unknown_since_s: dict[str, float] = {}
        self._at_a_time = asyncio.Semaphore(CONFIRMED_AT_ONCE)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[asyncio.Task[None]]:
        """Watch while the context is open; the task ends where the head's own node may be none any more."""
        task = asyncio.create_task(self._watch(), name="watch")
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, AdmissionRefusedError):
                await task

    async def go_round(self, now_s: float) -> None:
        """Look at everybody once.

        Args:
            now_s: of the clock by which the roster counts.

        Raises:
            AdmissionRefusedError: the head's own node is not active any more.
            RayFailedError: Ray does not say who is there.
        """
        with contextlib.suppress(LedgerError):
            await require_active(self._ledger, self._own_node_id)
        for ray_node_id in await asyncio.gather(*map(self._confirm, self._roster.members)):
            if ray_node_id:
                await asyncio.to_thread(self._ray.strike_off, [ray_node_id])
        await self._strike_strangers_off(now_s)
        self._metrics.count(self._roster, now_s)

    async def _watch(self) -> None:
        while True:
            try:
                await self.go_round(time.monotonic())
            except AdmissionRefusedError:
                raise
            except RayFailedError as err:
                _log.warning("%s", err)
            except Exception:  # noqa: BLE001 - a defect in one round must not end the others
                _log.exception("the roster is not watched")
            await asyncio.sleep(CONFIRM_EVERY_S)

    async def _confirm(self, member: Member) -> str:
        """Ask the ledger about a machine; return what is to be struck off Ray's list, empty where nothing."""
        try:
            async with self._at_a_time:
                node = await self._ledger.node(member.node_id)
            require_worker(node, member.shown, self._msp_ids)
        except (AdmissionRefusedError, Refusal) as err:
            self._roster.send_away(member, str(err), time.monotonic())
            self._metrics.sent_away.inc()
            _log.warning("sent away: %s", err)
            return member.ray_node_id
        except LedgerError as err:
            _log.warning("node %s is not confirmed: %s", member.node_id, err)
        else:
            member.confirmed_s = time.monotonic()
        return ""

    async def _strike_strangers_off(self, now_s: float) -> None:
        known = {each.ray_node_id for each in self._roster.members} | {self._own_ray_node_id}
        unknown = set(await asyncio.to_thread(self._ray.alive)) - known
        self._unknown_since_s = {each: self._unknown_since_s.get(each, now_s) for each in unknown}
        strangers = [
            each for each, since_s in self._unknown_since_s.items() if now_s - since_s > STRANGER_AFTER_S
        ]
        if strangers:
            self._metrics.sent_away.inc(len(strangers))
            _log.warning("struck off Ray's list, nobody admitted them: %s", ", ".join(strangers))
            await asyncio.to_thread(self._ray.strike_off, strangers)
