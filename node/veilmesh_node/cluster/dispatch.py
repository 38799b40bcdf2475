"""Hands items to workers until all are done: bounded in flight, nothing lost, nothing counted twice.

A worker has at most `WINDOW` items, one at work and the others waiting there, so that it never waits for us;
behind a long one nothing waits. All together hold no more bytes than the caller allows. What a lost worker
had is handed to others. Of the items at a worker that died the first is the one it died of, perhaps: after
`DEATHS` such deaths it has failed, so that one file cannot end every worker.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from veilmesh_node.cluster.errors import NoWorkersError
from veilmesh_node.cluster.work import Item, Loaded, Outcome

WINDOW = 2
DEATHS = 3
COLLECT_WITHIN_S = 0.5
NO_WORKERS_S = 90.0  # Ray's processes take a while to start, models to load


@dataclass(frozen=True, slots=True)
class Finished:
    worker: str
    ticket: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker is there no more; whether it died at its work, or was sent away or gave up its place."""

    worker: str
    died: bool


class Crew(Protocol):
    """Those who work."""

    def workers(self) -> Collection[str]:
        """Return who takes items now."""
        ...

    def hand(self, worker: str, ticket: int, loaded: Loaded) -> None:
        """Give an item to one of `workers()`."""
        ...

    def collect(self, within_s: float) -> list[Finished | Lost]:
        """Wait until something has happened, no longer than so; return it.

        After `Lost` nothing comes from that worker of what it had before.
        """
        ...


@dataclass(slots=True)
class _Handed:
    loaded: Loaded
    deaths: int = 0


OnOutcome = Callable[[Loaded, Outcome, str], None]  # and by whom; the worker's name is empty where by nobody


@dataclass(slots=True)
class Dispatcher:
    """One job's.

    Attributes:
        crew: who works.
        load: reads an item's file, or says what is wrong with it.
        on_outcome: called once for each item.
        stopping: asked again and again; once it says so, what is at work is finished and nothing is begun.
        bytes_in_flight: at most so many, or one item.
    """

    crew: Crew
    load: Callable[[Item], Loaded | Outcome]
    on_outcome: OnOutcome
    stopping: Callable[[], bool]
    bytes_in_flight: int
    now_s: Callable[[], float] = time.monotonic
    _items: Iterator[Item] = field(default_factory=lambda: iter(()))
    _again: deque[_Handed] = field(default_factory=deque)
    _next: _Handed | None = None  # loaded, and too large for now
    _tickets: dict[int, _Handed] = field(default_factory=dict)
    _held: dict[str, deque[int]] = field(default_factory=dict)  # by worker, oldest first
    _last_ticket: int = 0
    _bytes: int = 0
    _worked_s: float = 0.0

    def run(self, items: Iterable[Item]) -> bool:
        """Work on items; return whether all are done, which they are not when it was stopped.

        Raises:
            NoWorkersError: nobody came for `NO_WORKERS_S`.
        """
        self._items = iter(items)
        self._worked_s = self.now_s()
        while True:
            left = self._hand_out()
            if not self._tickets and (not left or self.stopping()):
                return not left
            for event in self.crew.collect(COLLECT_WITHIN_S):
                if isinstance(event, Finished):
                    self._finish(event)
                else:
                    self._lose(event)

    def _hand_out(self) -> bool:
        """Fill every worker's window; return whether anything is left that nobody has."""
        workers = self.crew.workers()
        self._require_workers(workers)
        for round_ in range(WINDOW):
            for worker in workers:
                if self.stopping():
                    return self._peek() is not None
                held = self._held.get(worker, ())
                if len(held) > round_ or any(self._tickets[each].loaded.item.long for each in held):
                    continue
                work = self._peek()
                if work is None:
                    return False
                if self._bytes and self._bytes + len(work.loaded.content) > self.bytes_in_flight:
                    return True
                self._next = None
                self._hand(worker, work)
        return self._peek() is not None

    def _peek(self) -> _Handed | None:
        """Return what is to be handed out next; it stays until it is."""
        while self._next is None:
            if self._again:
                self._next = self._again.popleft()
                break
            item = next(self._items, None)
            if item is None:
                break
            loaded = self.load(item)
            if isinstance(loaded, Loaded):
                self._next = _Handed(loaded)
            else:
                self.on_outcome(Loaded(item, b""), loaded, "")
        return self._next

    def _hand(self, worker: str, work: _Handed) -> None:
        self._last_ticket += 1
        self._tickets[self._last_ticket] = work
        self._held.setdefault(worker, deque()).append(self._last_ticket)
        self._bytes += len(work.loaded.content)
        self.crew.hand(worker, self._last_ticket, work.loaded)

    def _finish(self, event: Finished) -> None:
        work = self._taken(event.ticket)
        self._held[event.worker].remove(event.ticket)
        self.on_outcome(work.loaded, event.outcome, event.worker)

    def _lose(self, event: Lost) -> None:
        tickets = self._held.pop(event.worker, deque())
        works = [self._taken(ticket) for ticket in tickets]
        if event.died and works:
            works[0].deaths += 1
            if works[0].deaths >= DEATHS:
                self.on_outcome(works.pop(0).loaded, _DIED, "")
        self._again.extend(works)

    def _taken(self, ticket: int) -> _Handed:
        work = self._tickets.pop(ticket)
        self._bytes -= len(work.loaded.content)
        return work

    def _require_workers(self, workers: Collection[str]) -> None:
        if workers or self._tickets:
            self._worked_s = self.now_s()
        elif not self.stopping() and self.now_s() - self._worked_s > NO_WORKERS_S:
            raise NoWorkersError(f"nobody has been there to work for {NO_WORKERS_S:.0f} s")


_DIED = Outcome(
    error=f"the process that worked on it died, {DEATHS} times", hint="is there enough memory on the workers?"
)
