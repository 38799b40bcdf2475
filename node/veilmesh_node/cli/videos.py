"""What `veilmesh anonymize` does with videos: one after the other, each written whole or not at all."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from veilmesh_node.cli import output

if TYPE_CHECKING:
    from veilmesh_ml.errors import MlError
    from veilmesh_ml.folder_job import FolderSettings
    from veilmesh_ml.video.inputs import VideoJob
    from veilmesh_ml.video.release import VideoReport, VideoSettings


UNSEEN = (
    "warning: look at a video before you give it away: a face that no detector finds in any frame near by, "
    "such as a profile, goes out as it is"
)


@dataclass(frozen=True, slots=True)
class Filmed:
    """What became of one video: a report, or why there is none."""

    job: "VideoJob"
    report: "VideoReport | None"
    error: "MlError | None"


def divide(inputs: list[Path], out: Path) -> "tuple[list[Path], list[VideoJob]]":
    """Return the inputs in which pictures are looked for, and the videos."""
    from veilmesh_ml.video.inputs import is_video, plan

    jobs = plan(inputs, out)
    if out.is_file() and not (len(jobs) == 1 and jobs[0].target == out):
        raise typer.BadParameter(f"{out} is a file, not a folder")
    return [given for given in inputs if given.is_dir() or not is_video(given)], jobs


def settings(folder: "FolderSettings", codec: str | None, quality: int | None, every: int) -> "VideoSettings":
    """Return how videos are anonymized, where pictures are anonymized so."""
    with _with_the_extra():
        from veilmesh_ml.video.encoding import Encoding
        from veilmesh_ml.video.release import VideoSettings
    return VideoSettings(
        folder.method,
        folder.parameters,
        folder.threshold_dissimilarity,
        folder.level,
        Encoding(codec, quality),
        every,
    )


def run(jobs: "Sequence[VideoJob]", how: "VideoSettings") -> list[Filmed]:
    """Anonymize videos; what is wrong with one does not stop the others."""
    from veilmesh_ml.engine import load_engine
    from veilmesh_ml.errors import MlError
    from veilmesh_ml.video.release import anonymize_video

    from veilmesh_node.cli.progress import frames_progress

    engine = load_engine()
    filmed = []
    with frames_progress() as on_frames:
        for job in jobs:
            on_frame = partial(on_frames, str(job.source))
            try:
                report = anonymize_video(job.source, job.target, engine, how, progress=on_frame)
            except MlError as err:
                output.note(f"not anonymized: {err}")
                filmed.append(Filmed(job, None, err))
            else:
                filmed.append(Filmed(job, report, None))
                if report.left_out:
                    output.note(f"left out of {job.target}: {', '.join(report.left_out)}")
    if any(video.report for video in filmed):
        output.note(UNSEEN)
    return filmed


def document(video: Filmed) -> dict[str, Any]:
    """Return what `--json` and `--report` say of a video."""
    report = video.report
    return {
        "input": str(video.job.source),
        "output": None if report is None else str(report.target),
        "status": "failed" if report is None else "released",
        "error": "" if video.error is None else str(video.error),
        "hint": "" if video.error is None else video.error.hint,
        "frames": 0 if report is None else report.frames,
        "tracks": [] if report is None else [asdict(track) for track in report.tracks],
        "left_out": [] if report is None else list(report.left_out),
        "input_sha256": "" if report is None else report.input_sha256,
        "output_sha256": "" if report is None else report.output_sha256,
        "model_digest": "" if report is None else report.model_digest,
    }


def write_report(path: Path, filmed: Sequence[Filmed]) -> None:
    """Write `--report`."""
    from veilmesh_ml.image import write_atomically

    content = json.dumps({"videos": [document(video) for video in filmed]}, indent=2, ensure_ascii=False)
    write_atomically(path, f"{content}\n".encode())


def show(filmed: Sequence[Filmed]) -> None:
    """Say for people what was written."""
    for report in (video.report for video in filmed if video.report is not None):
        masked = sum(track.methods.get("mask", 0) for track in report.tracks)
        output.results.print(
            f"{report.target}: {report.frames} frames, {len(report.tracks)} faces followed"
            + (f", masked in {masked} places" if masked else ""),
            markup=False,
        )


@contextmanager
def _with_the_extra() -> Iterator[None]:
    try:
        yield
    except ImportError as err:
        from veilmesh_ml.errors import VideoError

        raise VideoError(
            f"videos need {err.name}, which is not installed", hint="install veilmesh with its [video] extra"
        ) from err
