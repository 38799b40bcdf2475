"""Videos in a job: an item is a whole video, done as `veilmesh anonymize` does it (ADR 16 says why)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from veilmesh_node.cluster.errors import WorkError
from veilmesh_node.cluster.work import Item, Outcome, Settled

if TYPE_CHECKING:
    from veilmesh_ml.folder_job import FolderSettings
    from veilmesh_ml.video.inputs import VideoJob
    from veilmesh_ml.video.release import VideoSettings


def without_videos(inputs: Sequence[Path]) -> list[Path]:
    """Return the inputs in which pictures are looked for."""
    from veilmesh_ml.video.inputs import is_video  # noqa: PLC0415 - comes with the faces

    return [given for given in inputs if given.is_dir() or not is_video(given)]


@dataclass(frozen=True, slots=True)
class Videos:
    """Those among a job's inputs.

    Attributes:
        jobs: where each is, and where its output goes.
        out: the job's folder.
        settings: how they are anonymized: as `veilmesh anonymize` does where nobody says otherwise.
    """

    jobs: "Sequence[VideoJob]"
    out: Path
    settings: "VideoSettings"

    @classmethod
    def among(cls, inputs: Sequence[Path], out: Path, folder: "FolderSettings") -> Self | None:
        """Find them; None where there is none.

        Raises:
            WorkError: the output is no folder.
            ParameterError: the method is not for videos, or two outputs have one place.
            VideoError: the video library is not installed.
        """
        from veilmesh_ml.video.inputs import is_video, plan  # noqa: PLC0415
        from veilmesh_ml.video.library import video_library  # noqa: PLC0415

        if is_video(out) and not out.is_dir():
            raise WorkError(f"{out} is named like a video; results go to a folder")
        jobs = plan(inputs, out)
        if not jobs:
            return None
        with video_library():
            from veilmesh_ml.video.release import VideoSettings  # noqa: PLC0415
        settings = VideoSettings(
            folder.method, folder.parameters, folder.threshold_dissimilarity, folder.level
        )
        return cls(jobs, out, settings)

    def divide(self) -> tuple[list[Item], list[Settled]]:
        """Return what is to do, and what was done before."""
        from veilmesh_ml.model_files import ENCODER  # noqa: PLC0415
        from veilmesh_ml.video.finished import finished_before  # noqa: PLC0415
        from veilmesh_ml.video.sources import Source  # noqa: PLC0415

        to_do: list[Item] = []
        settled: list[Settled] = []
        for job in self.jobs:
            name = str(job.target.relative_to(self.out))
            if finished_before(Source.of(job.source), job.target, self.settings.digest, ENCODER.sha256):
                settled.append(Settled(name, kept=True))
            else:
                part = job.target.with_name(f".{job.target.name}.part")
                to_do.append(Item(name, job.source, part))
        return to_do, settled

    def keep(self, item: Item, outcome: Outcome) -> None:
        """Put a video in its place, and enter it into the list of those that are finished.

        Raises:
            UnwritableVideoError: it cannot be written, or what came is not what the worker made.
        """
        from veilmesh_ml.errors import UnwritableVideoError  # noqa: PLC0415
        from veilmesh_ml.video.finished import enter, report_of  # noqa: PLC0415
        from veilmesh_ml.video.sources import Source  # noqa: PLC0415

        if item.part is None:
            raise AssertionError("videos are long items")
        target = self.out / item.name
        report = report_of(dict(outcome.document), item.source, target)
        if Source.of(item.part).sha256() != report.output_sha256:
            item.part.unlink()
            raise UnwritableVideoError(
                f"cannot write {target}: what was written beside it is not what the worker made",
                hint="does another job write there? submit it again",
            )
        try:
            with item.part.open("rb") as file:
                os.fsync(file.fileno())
            item.part.replace(target)
        except OSError as err:
            raise UnwritableVideoError(
                f"cannot write {target}: {err.strerror}", hint="mend permissions, and submit it again"
            ) from err
        enter(report)
