"""Anonymize whole folders, several files at once, and leave nothing half done.

The output mirrors each input folder's tree and file names. Files are independent: what goes wrong with
one, even a worker process that dies of it, is reported with that file and the others go on. Outputs
appear whole or not at all; a run that was interrupted continues where it stopped, for a file is passed
over when the manifest shows the same input, settings and output.

Only files named like pictures are taken from a folder; a file named on its own is always taken. Hidden
files, and an output folder that lies inside the input, are left out.
"""

import hashlib
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from veilmesh_ml.errors import MlError, ParameterError
from veilmesh_ml.folder_job import (
    FileResult,
    FileStatus,
    FolderJob,
    FolderSettings,
    failed,
    one_thread_a_process,
    run_job,
    target_name,
)
from veilmesh_ml.image import FORMAT_OF_SUFFIX, read_file
from veilmesh_ml.manifest import Manifest, entry_of, kept

# Also pictures that we cannot read: they are listed as failed rather than silently left out.
PICTURE_SUFFIXES = frozenset(FORMAT_OF_SUFFIX) | {
    ".pgm",
    ".gif",
    ".heic",
    ".heif",
    ".avif",
    ".jfif",
    ".jpe",
    ".jp2",
}

Progress = Callable[[FileResult, int, int], None]  # a file's result, how many are done, how many there are


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What became of every file, in the order of their paths."""

    results: tuple[FileResult, ...]

    @property
    def failures(self) -> tuple[FileResult, ...]:
        return tuple(result for result in self.results if result.status is FileStatus.FAILED)


def anonymize_folder(
    inputs: Sequence[Path],
    out_dir: Path,
    settings: FolderSettings | None = None,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> FolderReport:
    """Anonymize files and folders into `out_dir`.

    Args:
        inputs: files and folders; a folder's tree is mirrored below `out_dir`, a file lands in it.
        out_dir: created where missing.
        settings: how; by default `DEFAULT_METHOD` at the standard gate level.
        workers: processes; by default one per core that this process may use.
        progress: called in this process after every file.

    Raises:
        ParameterError: an input does not exist, or `out_dir` is an input folder, whose originals it would
            overwrite.
        ManifestError: the output folder's manifest cannot be read or written.
    """
    settings = settings or FolderSettings()
    jobs = plan_folder(inputs, out_dir, settings)
    manifest = Manifest(out_dir)
    results: list[FileResult] = []
    for result in _run(jobs, manifest, out_dir, workers or len(os.sched_getaffinity(0))):
        if result.status is FileStatus.RELEASED and result.target is not None:
            manifest.add(entry_of(result, str(result.target.relative_to(out_dir)), settings.digest))
        results.append(result)
        if progress is not None:
            progress(result, len(results), len(jobs))
    return FolderReport(tuple(sorted(results, key=lambda result: result.source)))


def plan_folder(inputs: Sequence[Path], out_dir: Path, settings: FolderSettings) -> list[FolderJob]:
    """Return what there is to anonymize, and where each output goes; arguments as `anonymize_folder`'s.

    Raises:
        ParameterError: an input does not exist, or `out_dir` is an input folder.
    """
    return list(_plan(inputs, out_dir, settings))


def _plan(inputs: Sequence[Path], out_dir: Path, settings: FolderSettings) -> Iterator[FolderJob]:
    for given in inputs:
        if given.is_dir():
            if given.resolve() == out_dir.resolve():
                raise ParameterError(
                    f"{out_dir} is input and output at once", hint="name another output folder"
                )
            for source in sorted(pictures_in(given, out_dir)):
                relative = source.relative_to(given)
                yield FolderJob(
                    source, out_dir / relative.with_name(target_name(source.name, settings)), settings
                )
        elif given.exists():
            yield FolderJob(given, out_dir / target_name(given.name, settings), settings)
        else:
            raise ParameterError(f"{given} does not exist")


def pictures_in(folder: Path, out_dir: Path) -> Iterator[Path]:
    """Yield the files below a folder that are named like pictures, but none of `out_dir`, and none hidden."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [
            name for name in folders if (here / name).resolve() != out_dir.resolve() and name[0] != "."
        ]
        yield from (
            here / name for name in files if name[0] != "." and Path(name).suffix.lower() in PICTURE_SUFFIXES
        )


def _run(jobs: list[FolderJob], manifest: Manifest, out_dir: Path, workers: int) -> Iterator[FileResult]:
    """Yield every job's result as it comes: what needs no work first, then the rest from the workers."""
    to_do = []
    for job, settled in settle(jobs, manifest, out_dir):
        if settled is None:
            to_do.append(job)
        else:
            yield settled
    yield from _work(to_do, min(workers, len(to_do)))


def settle(
    jobs: Sequence[FolderJob], manifest: Manifest, out_dir: Path
) -> Iterator[tuple[FolderJob, FileResult | None]]:
    """Yield each job with its result where it must not or need not run, and with None where it has to."""
    sources = {job.source.resolve() for job in jobs}
    targets: set[Path] = set()
    for job in jobs:
        yield job, _settled(job, sources, targets, manifest, out_dir)
        targets.add(job.target)


def _settled(
    job: FolderJob, sources: set[Path], targets: set[Path], manifest: Manifest, out_dir: Path
) -> FileResult | None:
    """Return the result of a job that must not or need not run, else None."""
    started = time.perf_counter()
    if job.target in targets:
        return failed(
            job.source, f"another input is written to {job.target}", "use two output folders", started
        )
    if job.target.resolve() in sources:
        return failed(job.source, f"{job.target} is an input too", "name another output folder", started)
    entry = manifest.find(str(job.target.relative_to(out_dir)))
    if entry is None or entry.settings != job.settings.digest:
        return None
    try:
        same_input = _sha256(job.source) == entry.input_sha256
        same_output = _sha256(job.target) == entry.output_sha256
    except MlError:
        return None
    return kept(entry, job.source, job.target) if same_input and same_output else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_file(path)).hexdigest()


def _work(jobs: list[FolderJob], workers: int) -> Iterator[FileResult]:
    """Run jobs in processes. Where a process dies, the jobs it may have died of run again, each alone."""
    waiting = deque(jobs)
    while waiting:
        running: dict[Future[FileResult], FolderJob] = {}
        try:
            with _pool(workers) as pool:
                yield from _feed(pool, waiting, workers, running)
        except BrokenProcessPool:
            for job in running.values():
                yield _alone(job)


def _feed(
    pool: ProcessPoolExecutor,
    waiting: deque[FolderJob],
    workers: int,
    running: dict[Future[FileResult], FolderJob],
) -> Iterator[FileResult]:
    """Keep every worker busy, and `running` up to date: whatever is in it has not been reported.

    Raises:
        BrokenProcessPool: a worker died.
    """
    while True:
        while waiting and len(running) < workers:
            future = pool.submit(run_job, waiting[0])
            running[future] = waiting.popleft()
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            result = future.result()
            del running[future]
            yield result


def _alone(job: FolderJob) -> FileResult:
    started = time.perf_counter()
    try:
        with _pool(1) as pool:
            return pool.submit(run_job, job).result()
    except BrokenProcessPool:
        return failed(job.source, "the process that worked on it died", "is there enough memory?", started)


def _pool(workers: int) -> ProcessPoolExecutor:
    # spawn: a forked copy of a process with threads (gRPC, OpenMP) may hang
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), one_thread_a_process)
