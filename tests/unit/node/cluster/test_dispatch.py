"""Whatever happens to workers, every item has one outcome."""

import random
from collections import Counter, deque
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_node.cluster.dispatch import DEATHS, NO_WORKERS_S, WINDOW, Dispatcher, Finished, Lost
from veilmesh_node.cluster.errors import NoWorkersError
from veilmesh_node.cluster.work import Item, Loaded, Outcome


class Crew:
    """Workers in memory, each with a queue; `mishaps` happen to the one that is asked next."""

    def __init__(self, names: Collection[str], *, deadly: Collection[str] = ()) -> None:
        self.at: dict[str, deque[tuple[int, Loaded]]] = {name: deque() for name in names}
        self.deadly = frozenset(deadly)
        self.events: list[Finished | Lost] = []
        self.most_at_once = 0
        self.most_bytes = 0
        self.served = 0

    def workers(self) -> Collection[str]:
        return list(self.at)

    def hand(self, worker: str, ticket: int, loaded: Loaded) -> None:
        self.at[worker].append((ticket, loaded))
        self.most_at_once = max(self.most_at_once, len(self.at[worker]))
        held = sum(len(each.content) for queue in self.at.values() for _, each in queue)
        self.most_bytes = max(self.most_bytes, held)

    def collect(self, within_s: float) -> list[Finished | Lost]:
        assert within_s > 0
        events, self.events = self.events, []
        return events or self.serve()

    def serve(self) -> list[Finished | Lost]:
        for worker, queue in sorted(self.at.items(), key=lambda each: -len(each[1])):
            if not queue:
                continue
            if queue[0][1].item.name in self.deadly:
                queue.clear()  # and its successor, of the same name, begins with nothing
                return [Lost(worker, died=True)]
            ticket, loaded = queue.popleft()
            self.served += 1
            return [Finished(worker, ticket, Outcome({"name": loaded.item.name}))]
        return []

    def lose(self, worker: str, *, died: bool, comes_back: bool) -> None:
        del self.at[worker]
        self.events.append(Lost(worker, died))
        if comes_back:
            self.at[worker] = deque()


class Results:
    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.times: Counter[str] = Counter()

    def __call__(self, loaded: Loaded, outcome: Outcome, worker: str) -> None:
        self.times[loaded.item.name] += 1
        self.outcomes[loaded.item.name] = outcome
        assert bool(worker) == (not outcome.error)


def items(count: int) -> list[Item]:
    return [Item(f"{number:03}", Path("nowhere")) for number in range(count)]


def load(item: Item) -> Loaded | Outcome:
    return Loaded(item, item.name.encode() * 10)


def dispatcher(crew: Crew, results: Results, **changes: object) -> Dispatcher:
    arguments = {
        "crew": crew,
        "load": load,
        "on_outcome": results,
        "stopping": lambda: False,
        "bytes_in_flight": 10_000,
    }
    return Dispatcher(**{**arguments, **changes})  # type: ignore[arg-type]  # a mixture


def test_every_item_once() -> None:
    crew, results = Crew(["a", "b"]), Results()
    assert dispatcher(crew, results).run(items(50))
    assert set(results.times) == {item.name for item in items(50)}
    assert set(results.times.values()) == {1}
    assert crew.most_at_once == WINDOW


def test_nothing_to_do() -> None:
    assert dispatcher(Crew(["a"]), Results()).run([])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 60))
def test_workers_may_come_and_go(seed: int, count: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret

    class Mishaps(Crew):
        def collect(self, within_s: float) -> list[Finished | Lost]:
            if chance.random() < 0.2 and len(self.at) > 1:
                worker = chance.choice(list(self.at))
                self.lose(worker, died=False, comes_back=chance.random() < 0.7)
            return super().collect(within_s)

    crew, results = Mishaps(["a", "b", "c", "d"]), Results()
    assert dispatcher(crew, results).run(items(count))
    assert set(results.times.values()) <= {1}
    assert len(results.times) == count
    assert not any(outcome.error for outcome in results.outcomes.values())


def test_a_file_that_kills_fails_and_the_others_do_not() -> None:
    crew, results = Crew(["a", "b"], deadly=["007"]), Results()
    assert dispatcher(crew, results).run(items(20))
    assert len(results.times) == 20
    assert set(results.times.values()) == {1}
    failed = [name for name, outcome in results.outcomes.items() if outcome.error]
    assert failed == ["007"]
    assert f"{DEATHS} times" in results.outcomes["007"].error


def test_a_file_that_cannot_be_read_is_an_outcome() -> None:
    def picky(item: Item) -> Loaded | Outcome:
        return Outcome(error="no such file") if item.name == "003" else load(item)

    results = Results()
    assert dispatcher(Crew(["a"]), results, load=picky).run(items(5))
    assert results.outcomes["003"].error == "no such file"
    assert len(results.times) == 5


def test_bytes_in_flight_are_bounded() -> None:
    crew, results = Crew(["a", "b", "c"]), Results()
    assert dispatcher(crew, results, bytes_in_flight=70).run(items(30))  # of 30 bytes each
    assert crew.most_bytes == 60
    assert len(results.times) == 30


def test_one_item_larger_than_that_goes_alone() -> None:
    crew, results = Crew(["a", "b"]), Results()
    assert dispatcher(crew, results, bytes_in_flight=10).run(items(5))
    assert crew.most_bytes == 30
    assert len(results.times) == 5


def test_a_stop_finishes_what_is_at_work_and_begins_nothing() -> None:
    crew, results = Crew(["a", "b"]), Results()
    assert not dispatcher(crew, results, stopping=lambda: crew.served >= 10).run(items(50))
    assert 10 <= len(results.times) <= 10 + 2 * WINDOW
    assert not any(crew.at.values())


def test_nobody_comes() -> None:
    clock = iter(range(0, 10_000, 20))
    with pytest.raises(NoWorkersError, match=f"{NO_WORKERS_S:.0f} s"):
        dispatcher(Crew([]), Results(), now_s=lambda: float(next(clock))).run(items(3))


def test_somebody_comes_late() -> None:
    clock = iter(range(0, 10_000, 20))

    class Late(Crew):
        def collect(self, within_s: float) -> list[Finished | Lost]:
            if not self.at and next(clock) > 40:
                self.at["late"] = deque()
            return super().collect(within_s)

    results = Results()
    assert dispatcher(Late([]), results, now_s=lambda: float(next(clock))).run(items(3))
    assert len(results.times) == 3


def test_behind_a_long_item_nothing_waits() -> None:
    """The one who films gets nothing else, and the other does all the rest."""

    served_by: Counter[str] = Counter()

    class Filming(Crew):
        def serve(self) -> list[Finished | Lost]:
            films = [name for name, queue in self.at.items() if queue and queue[0][1].item.long]
            assert all(len(self.at[name]) == 1 for name in films)
            for name, queue in self.at.items():
                if queue and (name not in films or not any(self.at[other] for other in {*self.at} - {name})):
                    ticket, loaded = queue.popleft()
                    served_by[name] += 1
                    return [Finished(name, ticket, Outcome({"name": loaded.item.name}))]
            return []

    crew, results = Filming(["a", "b"]), Results()
    film = Item("film", Path("nowhere"), Path("part"))
    assert dispatcher(crew, results).run([film, *items(20)])
    assert len(results.times) == 21
    assert served_by == {"a": 1, "b": 20}
