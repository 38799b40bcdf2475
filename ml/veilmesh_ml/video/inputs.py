"""Which inputs are videos, and where each output goes. Knows names alone: no video library is needed."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from veilmesh_ml.errors import ParameterError
from veilmesh_ml.image import FORMAT_OF_SUFFIX as PICTURE_FORMATS

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
PIPE: Final = Path("-")  # standard input, or output
NUMBERED: Final = re.compile(r"%(0\d+)?d")
_CAMERAS: Final = "/dev/video"


@dataclass(frozen=True, slots=True)
class VideoJob:
    source: Path
    target: Path


def is_video(path: Path) -> bool:
    """Whether a file is named like a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_camera(path: Path) -> bool:
    return str(path).startswith(_CAMERAS)


def is_numbered(path: Path) -> bool:
    """Whether a path stands for numbered pictures, as frames/%04d.png."""
    return bool(NUMBERED.search(path.name)) and path.suffix.lower() in PICTURE_FORMATS


def is_source(path: Path) -> bool:
    """Whether it is a video that is no file."""
    return path == PIPE or is_camera(path) or is_numbered(path)


def plan(inputs: Sequence[Path], out: Path) -> list[VideoJob]:
    """Return the videos among files and folders, and where each goes.

    Args:
        inputs: as for `anonymize_folder`; what is no video is passed over. Or one pipe, camera, or pattern of
            numbered pictures.
        out: a folder, that mirrors each input folder; for one video alone, a file named like one, a pattern
            of numbered pictures, or a pipe.

    Raises:
        ParameterError: two inputs would be one output, an output is an input, or what is no file stands
            beside others.
    """
    alone = is_video(out) or is_numbered(out) or out == PIPE
    if len(inputs) == 1 and alone and (is_source(inputs[0]) or _is_video_file(inputs[0])):
        jobs = [VideoJob(inputs[0], out)]
    elif any(map(is_source, inputs)) or out == PIPE or is_numbered(out):
        raise ParameterError(
            "a pipe, a camera or numbered pictures take one input and one output that is a video",
            hint="as in: veilmesh anonymize frames/%04d.png -o out.mp4",
        )
    else:
        jobs = [job for given in inputs for job in _jobs(given, out)]
    sources = {job.source.resolve() for job in jobs}
    targets: set[Path] = set()
    for job in jobs:
        if job.target != PIPE and job.target.resolve() in sources:
            raise ParameterError(f"{job.target} is an input too", hint="name another output")
        if job.target in targets:
            raise ParameterError(f"two inputs are written to {job.target}", hint="use two output folders")
        targets.add(job.target)
    return jobs


def _is_video_file(path: Path) -> bool:
    return path.is_file() and is_video(path)


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
