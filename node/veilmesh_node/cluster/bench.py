"""How fast a cluster is beside a plain loop, what Ray adds to an item, and that kills cost no result.

Everything is on one machine, so two workers can be twice as fast as one only where two processors are free.
"""

import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from veilmesh_node.cluster.errors import ClusterError
from veilmesh_node.cluster.results import ResultsFile, read_results
from veilmesh_node.cluster.submission import Stop, Submission
from veilmesh_node.cluster.tally import Tally
from veilmesh_node.cluster.tasks import FacesTask
from veilmesh_node.cluster.work import Item, Loaded, Outcome, Settled, Task, Work

KILLS = 3
OVERHEAD_ITEMS = 1000
PAUSE_S = 0.002  # of work that costs next to nothing


@dataclass(frozen=True, slots=True)
class DigestTask:
    """SHA-256 of a file: next to no work, after a pause."""

    pause_s: float = 0.0

    @property
    def name(self) -> str:
        return "digest"

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"digest").hexdigest()

    def prepare(self) -> Work:
        def work(name: str, content: bytes) -> Outcome:
            time.sleep(self.pause_s)
            return Outcome({"digest": hashlib.sha256(name.encode() + content).hexdigest()})

        return work


@dataclass(slots=True)
class _Job:
    """Items that are some pictures, over and over; implements `work.Job`."""

    task: Task
    sources: Sequence[Path]
    count: int
    results: ResultsFile | None = None

    def divide(self) -> tuple[list[Item], list[Settled]]:
        sources = self.sources
        return [Item(f"{index:06}.jpg", sources[index % len(sources)]) for index in range(self.count)], []

    def keep(self, loaded: Loaded, outcome: Outcome) -> None:
        if self.results is not None:
            self.results.add(loaded.item.name, loaded.sha256, self.task.digest, outcome.document)


class Workers(Protocol):
    """A cluster on this machine, as `demo.workers.LocalWorkers` starts one."""

    @property
    def head(self) -> Path: ...

    def start_worker(self, organisation: str) -> None: ...

    def kill_worker(self, organisation: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """What was measured.

    Attributes:
        pictures: encoded in each of three ways.
        loop_per_s, one_worker_per_s, two_workers_per_s: pictures a second, models loaded, all by the clock.
        loop_cpu_ms: processor time of a picture in the plain loop.
        ray_ms: what an item of next to no work took more with one worker than in a loop, by the clock.
        ray_cpu_ms: processor time of the submitting process alone, of such an item.
        kill_items: done while workers were killed.
        kills: how many.
        lost, doubled, different: results that were missing, there twice, or not what a loop gives.
        kill_seconds: how long that took.
    """

    pictures: int
    loop_per_s: float
    loop_cpu_ms: float
    one_worker_per_s: float
    two_workers_per_s: float
    ray_ms: float
    ray_cpu_ms: float
    kill_items: int
    kills: int
    lost: int
    doubled: int
    different: int
    kill_seconds: float


def measure_cluster(
    workers: Workers,
    sources: Sequence[Path],
    folder: Path,
    note: Callable[[str], None],
    *,
    pictures: int,
    kill_items: int,
) -> ClusterFigures:
    """Measure a cluster whose head runs and which has no workers yet.

    Args:
        workers: how they are started and killed; `org1` and `org2`.
        sources: pictures.
        folder: for results.
        note: told what is under way.
        pictures: how many to encode each time.
        kill_items: how many items for the killed workers.
    """
    encode = FacesTask(encode=True)
    note("a plain loop")
    loop = _paced(_Job(encode, sources, pictures), Submission.run_here)
    bare = _paced(_Job(DigestTask(), sources, OVERHEAD_ITEMS), Submission.run_here)

    def in_cluster(submission: Submission) -> bool:
        return submission.run_in_cluster(workers.head)

    note("one worker")
    workers.start_worker("org1")
    one = _paced(_Job(encode, sources, pictures), in_cluster)
    digests = _paced(_Job(DigestTask(), sources, OVERHEAD_ITEMS), in_cluster)
    note("two workers")
    workers.start_worker("org2")
    two = _paced(_Job(encode, sources, pictures), in_cluster)
    note(f"{kill_items:,} items, {KILLS} kills")
    results = ResultsFile(folder)
    job = _Job(DigestTask(PAUSE_S), sources, kill_items, results)
    with _Killer(workers, kill_items) as killer:
        killed = _paced(job, in_cluster, killer.look)
    lost, doubled, different = _compared(job, results.path)
    return ClusterFigures(
        pictures=pictures,
        loop_per_s=round(loop.per_s, 2),
        loop_cpu_ms=round(loop.cpu_ms, 2),
        one_worker_per_s=round(one.per_s, 2),
        two_workers_per_s=round(two.per_s, 2),
        ray_ms=round(1000 / digests.per_s - 1000 / bare.per_s, 3),
        ray_cpu_ms=round(digests.cpu_ms - bare.cpu_ms, 3),
        kill_items=kill_items,
        kills=killer.kills,
        lost=lost,
        doubled=doubled,
        different=different,
        kill_seconds=round(killed.seconds, 1),
    )


@dataclass(slots=True)
class _Pace:
    """When items were done: by the clock, and in processor time of this process, in seconds."""

    done_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def tick(self) -> None:
        self.done_s.append(time.perf_counter())
        self.cpu_s.append(time.process_time())

    @property
    def _first(self) -> int:
        """The item from which on it counts: the first tenth warms up."""
        return len(self.done_s) // 10

    @property
    def seconds(self) -> float:
        return self.done_s[-1] - self.done_s[0]

    @property
    def per_s(self) -> float:
        first = self._first
        return (len(self.done_s) - 1 - first) / (self.done_s[-1] - self.done_s[first])

    @property
    def cpu_ms(self) -> float:
        first = self._first
        return (self.cpu_s[-1] - self.cpu_s[first]) / (len(self.cpu_s) - 1 - first) * 1000


def _paced(
    job: _Job, run: Callable[[Submission], bool], look: Callable[[int], None] = lambda _: None
) -> _Pace:
    """Do a job, and note when each item was done; `look` is told how many are."""
    pace = _Pace()

    def on_progress(tally: Tally) -> None:
        pace.tick()
        look(tally.done)

    submission = Submission(job, Stop(lambda: None), on_progress)
    if not run(submission) or submission.tally.failures:
        raise ClusterError(f"the job {job.task.name} did not end well: {submission.tally.failures[:3]}")
    return pace


class _Killer:
    """Kills one worker after the other as a job goes on, and starts each again, in a thread of its own."""

    def __init__(self, workers: Workers, items: int) -> None:
        self.kills = 0
        self._workers = workers
        self._at = deque(items * (number + 1) // (KILLS + 1) for number in range(KILLS))
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="killer")
        self._strikes: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        for strike in self._strikes:
            strike.result()

    def look(self, done: int) -> None:
        """Strike, if it is time."""
        if self._at and done >= self._at[0]:
            self._at.popleft()
            self._strikes.append(self._pool.submit(self._strike, ("org1", "org2")[len(self._strikes) % 2]))

    def _strike(self, organisation: str) -> None:
        self._workers.kill_worker(organisation)
        self.kills += 1
        self._workers.start_worker(organisation)


def _compared(job: _Job, path: Path) -> tuple[int, int, int]:
    """Return how many results on disk are missing, are there more than once, and are not a loop's."""
    work = DigestTask().prepare()
    to_do, _ = job.divide()
    times: Counter[str] = Counter()
    digests: dict[str, str] = {}
    for line in read_results(path):
        times[line["name"]] += 1
        digests[line["name"]] = line["digest"]
    expected = {item.name: work(item.name, item.source.read_bytes()).document["digest"] for item in to_do}
    lost = len(expected.keys() - times.keys())
    doubled = sum(count > 1 for count in times.values())
    different = sum(digests[name] != expected.get(name) for name in digests)
    return lost, doubled, different
