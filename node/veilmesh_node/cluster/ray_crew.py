"""Workers in a cluster: on each machine of the roster as many actors of Ray's as it lends processors.

The roster is the head's, and asked for every second. Nothing is left to Ray's scheduler: an actor belongs to
one machine, and an item to one actor. What is on the roster no more is ended, and what it had comes back.
"""

import ipaddress
import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from veilmesh_node.cluster.dispatch import Finished, Lost
from veilmesh_node.cluster.errors import NoWorkersError, RayFailedError, WorkError
from veilmesh_node.cluster.hand import Hand
from veilmesh_node.cluster.haul import Haul, hauled
from veilmesh_node.cluster.ray_process import RayAccess
from veilmesh_node.cluster.work import Loaded, Outcome, Task

ROSTER_EVERY_S = 1.0
GIVEN_UP_AFTER = 4  # deaths in a row of one actor's successors, with nothing done in between

Roster = Callable[[], Mapping[str, str]]  # Ray's id of a machine: node id

_log = logging.getLogger(__name__)


@contextmanager
def ray_session(address: str, access: RayAccess) -> Iterator[None]:
    """Be connected to the cluster's Ray while the context is open. Once in a process.

    Raises:
        RayFailedError: it cannot be reached from here.
    """
    os.environ.update(access.environment())
    if ipaddress.ip_address(address.rpartition(":")[0]).is_loopback:
        # Ray would put the machine's own address in the place of loopback; this says that there is no other.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray  # noqa: PLC0415 - reads the environment as it is imported

    with redirect_stdout(sys.stderr):  # Ray tells of machines that died on the standard output
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as err:
            raise RayFailedError(f"Ray cannot be reached at {address}: {err}") from err
        try:
            yield
        finally:
            ray.shutdown()


@dataclass(slots=True, eq=False)
class _Actor:
    """One worker process.

    Attributes:
        name: `NODE/NUMBER`.
        ray_node_id: its machine's.
        handle: Ray's.
        loading: pending until its models are loaded, then None.
        tickets: items at it, by what is pending of each.
        hauls: of these the long ones on their way there or back, by their tickets.
        deaths: of its predecessors, since one of them did anything.
    """

    name: str
    ray_node_id: str
    handle: Any
    loading: Any
    tickets: dict[Any, int] = field(default_factory=dict)
    hauls: dict[int, Haul] = field(default_factory=dict)
    deaths: int = 0


class RayCrew:
    """Implements `dispatch.Crew`, inside a `ray_session`."""

    def __init__(self, task: Task, roster: Roster, *, gpu_share: float = 0.0) -> None:
        """Have actors made for a task.

        Args:
            task: goes to every actor.
            roster: who may work now; raises where the head does not say.
            gpu_share: of a GPU, for each actor; 0: none needs one.

        Raises:
            WorkError: GPUs are asked for, and there is none.
        """
        import ray  # noqa: PLC0415

        if gpu_share and not ray.cluster_resources().get("GPU"):
            raise WorkError("no worker has a GPU")
        self._ray: Any = ray
        self._task = ray.put(task)
        self._roster = roster
        self._gpu_share = gpu_share
        self._actors: dict[str, _Actor] = {}
        self._given_up: dict[str, str] = {}  # places where no actor can work, and why
        self._events: list[Finished | Lost] = []
        self._looked_s = -ROSTER_EVERY_S

    def workers(self) -> Collection[str]:
        """Return who takes items now.

        Raises:
            NoWorkersError: on no machine there is anybody who can work.
            ClusterDownError: the head does not say who may work.
        """
        now_s = time.monotonic()
        if now_s - self._looked_s >= ROSTER_EVERY_S:
            self._looked_s = now_s
            self._follow(self._roster())
        return [actor.name for actor in self._actors.values() if actor.loading is None]

    def hand(self, worker: str, ticket: int, loaded: Loaded) -> None:
        actor = self._actors[worker]
        if loaded.item.long:
            actor.hauls[ticket] = hauled(actor.handle, loaded.item)
            self._haul(actor, ticket, None)
        else:
            actor.tickets[actor.handle.work.remote(loaded.item.name, loaded.content)] = ticket

    def collect(self, within_s: float) -> list[Finished | Lost]:
        if not self._events:
            self._await_any(within_s)
        events, self._events = self._events, []
        return events

    def _await_any(self, within_s: float) -> None:
        owners = {pending: actor for actor in self._actors.values() for pending in actor.tickets}
        owners |= {actor.loading: actor for actor in self._actors.values() if actor.loading is not None}
        if not owners:
            time.sleep(within_s)
            return
        everything = list(owners)
        self._ray.wait(everything, num_returns=1, timeout=within_s)
        ready, _ = self._ray.wait(everything, num_returns=len(everything), timeout=0)
        for pending in ready:
            actor = owners[pending]
            if self._actors.get(actor.name) is actor:
                self._take(actor, pending)

    def _take(self, actor: _Actor, pending: Any) -> None:
        """Take what has come of one call."""
        try:
            outcome = self._ray.get(pending)
        except self._ray.exceptions.RayTaskError as err:
            if actor.loading is not pending:
                outcome = Outcome(error=f"unexpected {err.cause!r}", hint="please report this file")
            else:
                self._give_up(actor, str(err.cause))
                return
        except self._ray.exceptions.RayError as err:
            self._bury(actor, str(err).partition("\n")[0])
            return
        if actor.loading is pending:
            actor.loading = None
            if outcome.error:
                self._give_up(actor, "; ".join(filter(None, (outcome.error, outcome.hint))))
            return
        ticket = actor.tickets.pop(pending)
        if ticket in actor.hauls and not (isinstance(outcome, Outcome) and outcome.error):
            self._haul(actor, ticket, outcome)
        else:
            self._finish(actor, ticket, outcome)

    def _haul(self, actor: _Actor, ticket: int, result: Any) -> None:
        """Take a long item's next step; `result` is what came of the one before."""
        try:
            actor.tickets[actor.hauls[ticket].send(result)] = ticket
        except StopIteration as end:
            self._finish(actor, ticket, end.value)

    def _finish(self, actor: _Actor, ticket: int, outcome: Outcome) -> None:
        actor.deaths = 0
        haul = actor.hauls.pop(ticket, None)
        if haul is not None:
            haul.close()
        self._events.append(Finished(actor.name, ticket, outcome))

    def _follow(self, roster: Mapping[str, str]) -> None:
        """End the actors on machines that may work no more, and make those of new ones."""
        for actor in [each for each in self._actors.values() if each.ray_node_id not in roster]:
            _log.warning("%s may work no more", actor.name)
            self._end(actor, died=False)
        manned = {actor.ray_node_id for actor in self._actors.values()}
        for ray_node_id in roster.keys() - manned:
            for number in range(self._places(ray_node_id)):
                name = f"{roster[ray_node_id]}/{number}"
                if f"{ray_node_id}/{number}" not in self._given_up:
                    self._make(name, ray_node_id, deaths=0)
        machines = {place.partition("/")[0] for place in self._given_up}
        if roster and not self._actors and roster.keys() <= machines:
            raise NoWorkersError(f"no worker can do this: {', '.join(sorted(set(self._given_up.values())))}")

    def _places(self, ray_node_id: str) -> int:
        """Return how many actors a machine has room for; 0 while Ray does not know it."""
        for about in self._ray.nodes():
            if about["NodeID"] == ray_node_id and about["Alive"]:
                resources = about["Resources"]
                places = int(resources.get("CPU", 0))
                if self._gpu_share:
                    places = min(places, int(resources.get("GPU", 0) / self._gpu_share))
                return places
        return 0

    def _make(self, name: str, ray_node_id: str, *, deaths: int) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

        kind = self._ray.remote(Hand).options(
            num_cpus=1,
            num_gpus=self._gpu_share,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(ray_node_id, soft=False),
        )
        handle = kind.remote(self._task)
        self._actors[name] = _Actor(name, ray_node_id, handle, handle.ready.remote(), deaths=deaths)

    def _bury(self, actor: _Actor, reason: str) -> None:
        """Note that an actor died; it has a successor, unless that has been tried often enough."""
        _log.warning("%s died: %s", actor.name, reason)
        if actor.deaths + 1 >= GIVEN_UP_AFTER:
            self._give_up(actor, reason)
            return
        self._end(actor, died=True)
        if self._places(actor.ray_node_id):
            self._make(actor.name, actor.ray_node_id, deaths=actor.deaths + 1)

    def _give_up(self, actor: _Actor, reason: str) -> None:
        _log.error("%s cannot work: %s", actor.name, reason)
        node_id, _, number = actor.name.rpartition("/")
        self._given_up[f"{actor.ray_node_id}/{number}"] = f"{node_id}: {reason}"
        self._end(actor, died=True)

    def _end(self, actor: _Actor, *, died: bool) -> None:
        self._actors.pop(actor.name)
        for haul in actor.hauls.values():
            haul.close()
        self._events.append(Lost(actor.name, died))
        self._ray.kill(actor.handle)
