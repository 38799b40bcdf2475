"""A job from its inputs to its report: in this process where that is quicker, else in the cluster.

What was done before is left as it is. A failure of one item is a line in the report. SIGINT and SIGTERM have
what is at work finished and kept; submitted again, the job goes on with the rest.
"""

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from veilmesh.v1 import cluster_pb2

from veilmesh_node.cluster.dispatch import Crew, Dispatcher
from veilmesh_node.cluster.errors import ClusterDownError
from veilmesh_node.cluster.head_line import HeadLine, head_document, head_line
from veilmesh_node.cluster.jobs import load
from veilmesh_node.cluster.local_crew import LocalCrew
from veilmesh_node.cluster.ray_crew import RayCrew, ray_session
from veilmesh_node.cluster.ray_process import OBJECT_STORE_BYTES, RayAccess, require_ray
from veilmesh_node.cluster.tally import Tally
from veilmesh_node.cluster.work import Item, Job, Loaded, Outcome, Settled, Task
from veilmesh_node.home import Home

FEW = 200  # items, below which Ray's start costs more than a second pair of hands saves
IN_FLIGHT_BYTES = OBJECT_STORE_BYTES // 2
REPORT_EVERY_S = 1.0

OnProgress = Callable[[Tally], None]


@dataclass(slots=True)
class Stop:
    """Whether somebody wants a job to end: once, it does when what is at work is done; twice, at once.

    Attributes:
        on_first: called the first time.
        asked: whether there was one.
    """

    on_first: Callable[[], None]
    asked: bool = False

    def __call__(self) -> bool:
        return self.asked

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Have SIGINT and SIGTERM ask while the context is open. For the main thread alone."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True
            self.on_first()

        earlier = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


@dataclass(slots=True)
class Submission:
    """One job on its way.

    Attributes:
        job: what and where.
        stop: asked between items.
        on_progress: told after every item.
        load: gets what an item's worker needs.
        to_do: items that were not done before.
        tally: how far it is, at any moment.
    """

    job: Job
    stop: Stop
    on_progress: OnProgress
    load: Callable[[Item], Loaded | Outcome] = load
    to_do: list[Item] = field(init=False)
    tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        """Find out what there is to do.

        Raises:
            WorkError, ParameterError: an input or the output folder cannot be used.
        """
        self.to_do, settled = self.job.divide()
        items = len(self.to_do) + len(settled)
        self.tally = Tally(self.job.task.name, items, time.monotonic())
        for each in settled:
            self.tally.add(each, self.tally.started_s)

    def run_here(self) -> bool:
        """Do it in this process; return whether all is done, which it is not when it was stopped.

        Raises:
            StorageFullError, MlError: a result cannot be written. All before it are kept.
        """
        return self.run_by(LocalCrew(self.job.task))

    def run_in_cluster(self, folder: Path, *, gpu_share: float = 0.0) -> bool:
        """Do it in the cluster whose head runs from a home; return whether all is done.

        Args:
            folder: the home.
            gpu_share: of a GPU, for each worker process.

        Raises:
            ClusterDownError: no head runs from there, or it is gone.
            NoWorkersError: nobody came to work.
            RayMissingError, RayFailedError: Ray cannot be used.
            StorageFullError, MlError: as `run_here`.
        """
        with cluster_at(folder, self.job.task, gpu_share=gpu_share) as cluster:
            return cluster.run(self)

    def run_by(self, crew: Crew, told: "_Reports | None" = None) -> bool:
        """Have a crew do it, and its head be told how far it is; return whether all is done."""

        def keep(loaded: Loaded, outcome: Outcome, worker: str) -> None:
            if not outcome.error:
                self.job.keep(loaded, outcome)
            settled = Settled(loaded.item.name, worker, error=outcome.error, hint=outcome.hint)
            self.tally.add(settled, time.monotonic())
            self.on_progress(self.tally)
            if told is not None:
                told.tell(self.tally)

        with self.stop.on_signals():
            return Dispatcher(crew, self.load, keep, self.stop, IN_FLIGHT_BYTES).run(self.to_do)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers that hold one task's models, for as many submissions of that task as there are."""

    _crew: RayCrew
    _line: HeadLine

    def run(self, submission: Submission) -> bool:
        """Do a job; return whether all is done. Raises as `Submission.run_in_cluster`."""
        told = _Reports(self._line)
        try:
            return submission.run_by(self._crew, told)
        finally:
            told.end(submission.tally)


@contextmanager
def cluster_at(folder: Path, task: Task, *, gpu_share: float = 0.0) -> Iterator[Cluster]:
    """Have the workers of the cluster whose head runs from a home at hand. Once in a process.

    Raises:
        ClusterDownError: no head runs from there.
        RayMissingError, RayFailedError: Ray cannot be used.
    """
    require_ray()
    document = head_document(folder)
    access = RayAccess.of(Home(folder), document["ray_token"])
    with head_line(folder) as line, ray_session(document["ray_address"], access):
        yield Cluster(RayCrew(task, line.roster, gpu_share=gpu_share), line)


@dataclass(slots=True)
class _Reports:
    """What a job tells the head about itself, now and then; one that does not listen is no reason to end."""

    line: HeadLine
    job_id: str = field(default_factory=lambda: secrets.token_hex(8))
    _told_s: float = 0.0

    def tell(self, tally: Tally) -> None:
        if time.monotonic() - self._told_s >= REPORT_EVERY_S:
            self._tell(tally, ended=False)

    def end(self, tally: Tally) -> None:
        self._tell(tally, ended=True)

    def _tell(self, tally: Tally, *, ended: bool) -> None:
        self._told_s = time.monotonic()
        progress = cluster_pb2.Progress(
            job_id=self.job_id,
            task=tally.task,
            items=tally.items,
            done=tally.done,
            failed=len(tally.failures),
            items_per_s=tally.items_per_s(self._told_s),
            done_by=tally.done_by,
            ended=ended,
        )
        try:
            self.line.report(progress)
        except ClusterDownError:
            return
