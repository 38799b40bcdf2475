"""The options of `veilmesh anonymize` that are for videos alone."""

import re
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from veilmesh_ml.engine import Engine
    from veilmesh_ml.folder_job import FolderSettings
    from veilmesh_ml.video.leaving import Choice, Selector
    from veilmesh_ml.video.release import VideoSettings

_TIME = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """How videos are anonymized, beside what pictures have in common with them."""

    codec: Annotated[
        str | None,
        typer.Option(
            help="Videos: h264, hevc, vp9, av1 or ffv1.", show_default="the input's, where it is one of these"
        ),
    ] = None
    quality: Annotated[
        int | None,
        typer.Option(
            min=0, help="Videos: constant rate factor, lower is better.", show_default="the codec's"
        ),
    ] = None
    every: Annotated[
        int,
        typer.Option(min=1, help="Videos: the detector looks at every so many frames; faces are followed."),
    ] = 3
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y,W,H|PHOTO",
            help="Videos: leave the faces in this region, or the person in this photo, as they are, where "
            "that is sure. May be repeated.",
            show_default=False,
        ),
    ] = None
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y,W,H|PHOTO",
            help="Videos: leave all others as they are, where that is sure. May be repeated.",
            show_default=False,
        ),
    ] = None
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Videos: what comes before is left out; seconds, or H:MM:SS.",
            show_default=False,
        ),
    ] = None
    end: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="TIME", help="Videos: what comes after is left out.", show_default=False
        ),
    ] = None
    fps: Annotated[
        float, typer.Option(min=0.01, help="Numbered pictures as input: how many are one second.")
    ] = 25.0
    preview: Annotated[
        bool,
        typer.Option(
            "--preview", help="Write a few frames of one video into one picture, OUT, and nothing else."
        ),
    ] = False
    report: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Videos: write JSON of every face's track here, and beside it a page of the outputs' faces.",
        ),
    ] = None

    def require_videos(self) -> None:
        """Refuse what pictures do not have. In a folder they are anonymized wholly.

        Raises:
            typer.BadParameter: such an option was given.
        """
        if self.keep or self.only or self.start or self.end:
            raise typer.BadParameter(
                "--keep, --only, --from and --to are for videos alone; there are pictures among the inputs"
            )

    def settings(self, folder: "FolderSettings", engine: "Engine") -> "VideoSettings":
        """Return how videos are anonymized, where pictures are anonymized so.

        Raises:
            ParameterError: a value that cannot be.
            ImageError: a photo that cannot be read.
        """
        from veilmesh_ml.video.encoding import Encoding
        from veilmesh_ml.video.reading import Span
        from veilmesh_ml.video.release import VideoSettings

        return VideoSettings(
            folder.method,
            folder.parameters,
            folder.threshold_dissimilarity,
            folder.level,
            Encoding(self.codec, self.quality),
            self.every,
            self._choice(engine),
            Span(
                0.0 if self.start is None else seconds(self.start, "--from"),
                inf if self.end is None else seconds(self.end, "--to"),
            ),
        )

    def _choice(self, engine: "Engine") -> "Choice":
        from veilmesh_ml.video.leaving import Choice

        keep, only = (
            tuple(_selector(each, engine) for each in given or ()) for given in (self.keep, self.only)
        )
        return Choice(keep, only)


def seconds(text: str, option: str) -> float:
    """Read a time: 75, 75.5, 1:15 or 0:01:15.5.

    Raises:
        typer.BadParameter: it is none.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or (match[2] is not None and float(match[3]) >= 60):
        raise typer.BadParameter(f"{text!r} is no time: write 75.5 or 1:15.5", param_hint=option)
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + rest


def _selector(text: str, engine: "Engine") -> "Selector":
    from veilmesh_ml.video.leaving import Person, Region

    region = Region.of(text)
    return Person.of(Path(text), engine) if region is None else region
