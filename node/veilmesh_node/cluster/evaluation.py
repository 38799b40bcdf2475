"""`veilmesh evaluate` with a cluster's workers: they measure, and this machine judges.

    SamplesJob          every photo's face and features, into the cache from which `verification` goes on
    ClusterMeasurers    blocks of photos, anonymized and measured, as `anonymizers` asks for them

Photos travel to the workers with the work. What is measured is kept as a run in one process keeps it, so
either goes on where the other stopped.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from veilmesh_node.cluster.errors import WorkError
from veilmesh_node.cluster.jobs import load
from veilmesh_node.cluster.submission import Cluster, Stop, Submission, cluster_at
from veilmesh_node.cluster.tasks import careful
from veilmesh_node.cluster.work import Item, Loaded, Outcome, Settled, Task, Work

if TYPE_CHECKING:
    from veilmesh_ml.evaluate.blocks import Arrays, Block
    from veilmesh_ml.evaluate.measuring import PhotosIn
    from veilmesh_ml.evaluate.sample_cache import SampleCache

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SampleTask:
    """What comes of a photo, by an engine called so; a result is `sample_cache.document_of` it."""

    engine: str

    @property
    def name(self) -> str:
        return "evaluate"

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"samples by {self.engine}".encode()).hexdigest()

    def prepare(self) -> Work:
        from veilmesh_ml.engine import load_engine  # noqa: PLC0415 - only who works has the library
        from veilmesh_ml.evaluate.sample_cache import document_of  # noqa: PLC0415
        from veilmesh_ml.evaluate.samples import sample_of  # noqa: PLC0415
        from veilmesh_ml.folder_job import one_thread_a_process  # noqa: PLC0415

        one_thread_a_process()
        engine = load_engine(self.engine)
        return lambda _name, content: careful(lambda: Outcome(document_of(sample_of(engine, content))))


@dataclass(frozen=True, slots=True)
class SamplesJob:
    """Photos of which the cache has no sample. One that fails here is tried again by who goes on."""

    sample_task: SampleTask
    photos: Sequence[Path]
    cache: "SampleCache"

    @property
    def task(self) -> Task:
        return self.sample_task

    def divide(self) -> tuple[list[Item], list[Settled]]:
        to_do: list[Item] = []
        settled: list[Settled] = []
        for photo in self.photos:
            item = Item(str(photo), photo)
            loaded = load(item)
            if isinstance(loaded, Outcome):
                settled.append(Settled(item.name, error=loaded.error, hint=loaded.hint))
            elif self.cache.find(loaded.sha256) is not None:
                settled.append(Settled(item.name, kept=True))
            else:
                to_do.append(item)
        return to_do, settled

    def keep(self, loaded: Loaded, outcome: Outcome) -> None:
        """Put a sample into the cache.

        Raises:
            SampleCacheError: it cannot be written.
        """
        from veilmesh_ml.evaluate.sample_cache import sample_from  # noqa: PLC0415

        self.cache.add({loaded.sha256: sample_from(outcome.document)})


@dataclass(frozen=True, slots=True)
class MeasureTask:
    """Opens parcels (`veilmesh_ml.evaluate.parcels`), and measures what is in them.

    Attributes:
        attackers: encoders' files and their descriptions, by their names.
        names: of the encoders' files, in order.
    """

    attackers: Mapping[str, bytes] = field(repr=False)
    names: tuple[str, ...]

    @classmethod
    def of(cls, attackers: Sequence[Path]) -> "MeasureTask":
        """Read the attackers' files, each with its description beside it.

        Raises:
            WorkError: one cannot be read, or two have one name.
        """
        names = tuple(path.name for path in attackers)
        if len(set(names)) < len(names):
            raise WorkError(f"two of the attackers' files have one name: {', '.join(names)}")
        try:
            files = [each for path in attackers for each in (path, path.with_suffix(".toml"))]
            return cls({file.name: file.read_bytes() for file in files}, names)
        except OSError as err:
            raise WorkError(f"cannot read {err.filename}: {err.strerror}") from err

    @property
    def name(self) -> str:
        return "evaluate"

    @property
    def digest(self) -> str:
        digests = (f"{name} {hashlib.sha256(self.attackers[name]).hexdigest()}" for name in self.attackers)
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def prepare(self) -> Work:
        from veilmesh_ml.evaluate import parrot  # noqa: F401, PLC0415 - that it is there is known now
        from veilmesh_ml.evaluate.measuring import set_up_worker  # noqa: PLC0415
        from veilmesh_ml.evaluate.parcels import called  # noqa: PLC0415

        with TemporaryDirectory() as folder:
            for name, content in self.attackers.items():
                (Path(folder) / name).write_bytes(content)
            set_up_worker({}, [Path(folder) / name for name in self.names])
        return lambda _name, content: careful(lambda: Outcome(output=called(content)))


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that is made by a worker, and who is told what it returned."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    returned: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class _CallsJob:
    """Implements `work.Job`: calls of which nothing is on the disk yet."""

    task: Task
    calls: Mapping[str, _Call]
    photos: "PhotosIn"

    def divide(self) -> tuple[list[Item], list[Settled]]:
        return [Item(name, self.photos.folder) for name in self.calls], []

    def load(self, item: Item) -> Loaded | Outcome:
        from veilmesh_ml.errors import ImageError  # noqa: PLC0415
        from veilmesh_ml.evaluate.parcels import packed  # noqa: PLC0415

        call = self.calls[item.name]
        try:
            return Loaded(item, packed(call.function, call.arguments, self.photos))
        except ImageError as err:
            return Outcome(error=str(err), hint=err.hint)

    def keep(self, loaded: Loaded, outcome: Outcome) -> None:
        from veilmesh_ml.evaluate.parcels import opened  # noqa: PLC0415

        self.calls[loaded.item.name].returned(opened(outcome.output))


@dataclass(frozen=True, slots=True)
class ClusterMeasurers:
    """Workers that hold a `MeasureTask`; implements `veilmesh_ml.evaluate.blocks.Measurers`.

    What they do is finished and kept whatever becomes of one block; then the evaluation ends where one
    failed, or where somebody asked it to.
    """

    cluster: Cluster
    task: MeasureTask
    photos: "PhotosIn"
    stop: Stop

    def measure(self, blocks: "Sequence[Block]", keep: "Callable[[Block, Arrays], None]") -> None:
        """Measure blocks.

        Raises:
            WorkError: some could not be measured; the others are kept.
            KeyboardInterrupt: it was stopped.
            ClusterDownError, NoWorkersError: nobody is there to measure.
        """

        def returned(block: "Block") -> "Callable[[Arrays], None]":
            return lambda arrays: keep(block, arrays)

        self._do(
            [
                _Call(block.file_name, block.measure, (block.items, *block.parameters), returned(block))
                for block in blocks
            ]
        )

    def once(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return what a function returns to one of them. Raises as `measure`."""
        results: list[Result] = []
        self._do([_Call(function.__name__, function, arguments, results.append)])
        return results[0]

    def _do(self, calls: Sequence[_Call]) -> None:
        if not calls:
            return
        job = _CallsJob(self.task, {call.name: call for call in calls}, self.photos)
        submission = Submission(job, self.stop, lambda _: None, job.load)
        if not self.cluster.run(submission):
            raise KeyboardInterrupt
        failures = submission.tally.failures
        if failures:
            first = failures[0]
            raise WorkError(
                f"{len(failures)} of {len(calls)} blocks were not measured, the others are kept; "
                f"{first.name}: {first.error}"
            )


@contextmanager
def cluster_measurers(
    home: Path, data: Path, attackers: Sequence[Path], stop: Stop
) -> Iterator[ClusterMeasurers]:
    """Have the workers of the cluster whose head runs from a home measure photos.

    Raises:
        WorkError: an attacker's file cannot be read.
        ClusterDownError: no head runs from there.
        RayMissingError, RayFailedError: Ray cannot be used.
    """
    from veilmesh_ml.evaluate.measuring import PhotosIn  # noqa: PLC0415

    task = MeasureTask.of(attackers)
    with cluster_at(home, task) as cluster:
        yield ClusterMeasurers(cluster, task, PhotosIn(data), stop)


def acquire_in_cluster(
    home: Path, job: SamplesJob, stop: Stop, on_progress: Callable[[int, int], None]
) -> None:
    """Have the workers of the cluster whose head runs from a home fill a cache with samples.

    Raises:
        KeyboardInterrupt: it was stopped.
        ClusterDownError, NoWorkersError, RayMissingError, RayFailedError: they cannot.
    """
    submission = Submission(job, stop, lambda tally: on_progress(tally.done, tally.items))
    if submission.to_do and not submission.run_in_cluster(home):
        raise KeyboardInterrupt
