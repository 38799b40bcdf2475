"""What `veilmesh anonymize` does with videos: one after the other, each written whole or not at all."""

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from veilmesh_node.cli import output

if TYPE_CHECKING:
    from veilmesh_ml.engine import Engine
    from veilmesh_ml.errors import MlError
    from veilmesh_ml.folder_job import FolderSettings
    from veilmesh_ml.video.inputs import VideoJob
    from veilmesh_ml.video.release import Until, VideoReport, VideoSettings

    from veilmesh_node.cli.video_options import VideoOptions


UNSEEN = (
    "warning: look at a video before you give it away: a face that the detector finds in no frame near by "
    "goes out as it is"
)
LEFT = "warning: faces were left as they are, as --keep or --only asked"


@dataclass(frozen=True, slots=True)
class Filmed:
    """What became of one video: a report, or why there is none.

    Attributes:
        job: what was to be done.
        report: what was done; None where it failed.
        kept: it had been done before, and nothing was done now.
        error: why it failed.
    """

    job: "VideoJob"
    report: "VideoReport | None" = None
    kept: bool = False
    error: "MlError | None" = None

    @property
    def status(self) -> str:
        if self.report is None:
            return "failed"
        return "kept" if self.kept else "released"


def divide(inputs: list[Path], out: Path) -> "tuple[list[Path], list[VideoJob]]":
    """Return the inputs in which pictures are looked for, and the videos.

    Raises:
        typer.BadParameter: an input does not exist, or there is no place for the outputs.
    """
    from veilmesh_ml.video.inputs import is_source, is_video, plan

    for given in inputs:
        if not is_source(given) and not given.exists():
            raise typer.BadParameter(f"{given} does not exist", param_hint="INPUT...")
    jobs = plan(inputs, out)
    if out.is_file() and not (len(jobs) == 1 and jobs[0].target == out):
        raise typer.BadParameter(f"{out} is a file, not a folder")
    return [given for given in inputs if given.is_dir() or not (is_source(given) or is_video(given))], jobs


def preview(inputs: list[Path], out: Path, options: "VideoOptions", folder: "FolderSettings") -> None:
    """Write a few anonymized frames of one video into one picture.

    Raises:
        typer.BadParameter: not one video, or one that can be read but once.
        MlError: it cannot be read, written or anonymized.
    """
    from veilmesh_ml.image import format_of
    from veilmesh_ml.video.inputs import is_numbered, is_video

    if len(inputs) != 1 or not (is_numbered(inputs[0]) or (is_video(inputs[0]) and inputs[0].is_file())):
        raise typer.BadParameter("--preview takes one video, as a file or as numbered pictures")
    format_of(out)
    from veilmesh_ml.video.library import video_library

    with video_library():
        from veilmesh_ml.video.preview import write_preview
        from veilmesh_ml.video.sources import Source
    engine = _engine()
    with output.step("a preview is made"):
        write_preview(Source.of(inputs[0], options.fps), out, engine, options.settings(folder, engine))


def run(jobs: "Sequence[VideoJob]", options: "VideoOptions", folder: "FolderSettings") -> list[Filmed]:
    """Anonymize videos; what is wrong with one does not stop the others."""
    from veilmesh_ml.video.library import video_library

    with video_library():
        from veilmesh_ml.video.sources import Source

    from veilmesh_node.cli.progress import frames_progress

    engine = _engine()
    how = options.settings(folder, engine)
    filmed = []
    with frames_progress() as on_frames:
        for job in jobs:
            on_frame = partial(on_frames, str(job.source))
            video = _film(job, Source.of(job.source, options.fps), engine, how, on_frame)
            filmed.append(video)
            _note(video)
    if any(video.report for video in filmed):
        output.note(UNSEEN)
    if any(track.left for video in filmed if video.report for track in video.report.tracks):
        output.note(LEFT)
    return filmed


def _film(
    job: "VideoJob", source: Any, engine: "Engine", how: "VideoSettings", on_frame: "partial[None]"
) -> Filmed:
    from veilmesh_ml.errors import MlError
    from veilmesh_ml.video.finished import enter, finished_before
    from veilmesh_ml.video.inputs import PIPE
    from veilmesh_ml.video.release import anonymize_video
    from veilmesh_ml.video.sources import Kind

    try:
        before = finished_before(source, job.target, how.digest, engine.model_digest)
        if before is not None:
            return Filmed(job, before, kept=True)
        with _ended_by_hand(endless=source.kind is Kind.CAMERA) as until:
            report = anonymize_video(source, job.target, engine, how, progress=on_frame, until=until)
        if source.again and job.target != PIPE:
            enter(report)
    except MlError as err:
        return Filmed(job, error=err)
    return Filmed(job, report)


@contextmanager
def _ended_by_hand(*, endless: bool) -> "Iterator[Until | None]":
    """Have Ctrl-C, or SIGTERM, end what a camera takes, and no other video: what was taken is finished."""
    if not endless:
        yield None
        return
    ended: list[int] = []
    earlier = {
        number: signal.signal(number, lambda number, _: ended.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    said = cache(partial(output.note, "Ctrl-C ends the recording"))
    try:
        yield lambda: bool(said() or ended)
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _note(video: Filmed) -> None:
    if video.error is not None:
        output.note(f"not anonymized: {video.error}")
        if video.error.hint:
            output.note(f"hint: {video.error.hint}")
    if video.report is not None and video.report.gone_on_at:
        output.note(f"{video.job.target}: {video.report.gone_on_at} frames were finished by an earlier run")
    if video.report is not None and video.report.left_out:
        output.note(f"left out of {video.job.target}: {', '.join(video.report.left_out)}")


def document(video: Filmed) -> dict[str, Any]:
    """Return what `--json` and `--report` say of a video."""
    report = video.report
    return {
        "input": str(video.job.source),
        "output": None if report is None else str(report.target),
        "status": video.status,
        "error": "" if video.error is None else str(video.error),
        "hint": "" if video.error is None else video.error.hint,
        "frames": 0 if report is None else report.frames,
        "gone_on_at": 0 if report is None else report.gone_on_at,
        "tracks": [] if report is None else [asdict(track) for track in report.tracks],
        "left_out": [] if report is None else list(report.left_out),
        "input_sha256": "" if report is None else report.input_sha256,
        "output_sha256": "" if report is None else report.output_sha256,
        "model_digest": "" if report is None else report.model_digest,
    }


def write_report(path: Path, filmed: Sequence[Filmed]) -> None:
    """Write `--report`: JSON, and beside it a page of thumbnails of the outputs."""
    from veilmesh_ml.image import write_atomically

    from veilmesh_node.cli.contact_sheet import page

    content = json.dumps({"videos": [document(video) for video in filmed]}, indent=2, ensure_ascii=False)
    write_atomically(path.with_suffix(".json"), f"{content}\n".encode())
    write_atomically(path.with_suffix(".html"), page(filmed).encode())


def show(filmed: Sequence[Filmed]) -> None:
    """Say for people what was written."""
    from veilmesh_ml.video.inputs import PIPE

    for report in (video.report for video in filmed if video.report is not None):
        masked = sum(track.methods.get("mask", 0) for track in report.tracks)
        left = sum(track.left for track in report.tracks)
        said = output.notes if report.target == PIPE else output.results
        said.print(
            f"{report.target}: {report.frames} frames, {len(report.tracks)} faces followed"
            + (f", masked in {masked} places" if masked else "")
            + (f", left as they are in {left}" if left else ""),
            markup=False,
        )


def _engine() -> "Engine":
    from veilmesh_ml.engine import load_engine

    return load_engine()
