"""Which inputs are videos, and where each output goes. Knows names alone: no video library is needed."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from veilmesh_ml.errors import ParameterError

# The containers that we write: those that hold frames of any times. AVI, say, knows but a rate.
FORMAT_OF_SUFFIX: Final = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
VIDEO_SUFFIXES: Final = frozenset(FORMAT_OF_SUFFIX) | {
    ".3gp",
    ".avi",
    ".flv",
    ".m2ts",
    ".mpeg",
    ".mpg",
    ".mts",
    ".ogv",
    ".ts",
    ".wmv",
}


@dataclass(frozen=True, slots=True)
class VideoJob:
    source: Path
    target: Path


def is_video(path: Path) -> bool:
    """Whether a file is named like a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def plan(inputs: Sequence[Path], out: Path) -> list[VideoJob]:
    """Return the videos among files and folders, and where each goes.

    Args:
        inputs: as for `anonymize_folder`; what is no video is passed over.
        out: a folder, that mirrors each input folder; for one video alone, a file named like one.

    Raises:
        ParameterError: two inputs would be one output, or an output is an input.
    """
    if len(inputs) == 1 and inputs[0].is_file() and is_video(inputs[0]) and is_video(out):
        jobs = [VideoJob(inputs[0], out)]
    else:
        jobs = [job for given in inputs for job in _jobs(given, out)]
    sources = {job.source.resolve() for job in jobs}
    targets: set[Path] = set()
    for job in jobs:
        if job.target.resolve() in sources:
            raise ParameterError(f"{job.target} is an input too", hint="name another output")
        if job.target in targets:
            raise ParameterError(f"two inputs are written to {job.target}", hint="use two output folders")
        targets.add(job.target)
    return jobs


def _jobs(given: Path, out: Path) -> Iterator[VideoJob]:
    if given.is_file():
        if is_video(given):
            yield VideoJob(given, out / _target_name(given))
        return
    for place, folders, files in os.walk(given):
        here = Path(place)
        folders[:] = [name for name in folders if name[0] != "." and (here / name).resolve() != out.resolve()]
        folders.sort()
        for name in sorted(files):
            source = here / name
            if name[0] != "." and is_video(source):
                yield VideoJob(source, out / source.relative_to(given).with_name(_target_name(source)))


def _target_name(source: Path) -> str:
    """Return the output's name: the input's, with `.mkv` appended where we do not write that container."""
    return source.name if source.suffix.lower() in FORMAT_OF_SUFFIX else f"{source.name}.mkv"
