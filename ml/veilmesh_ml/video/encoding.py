"""Which codec a video is written in, how well, and in which pixel format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
from av.codec.codec import find_best_pix_fmt_of_list
from av.video.format import VideoFormat

from veilmesh_ml.errors import ParameterError, UnsupportedVideoError
from veilmesh_ml.video.inputs import FORMAT_OF_SUFFIX, PIPE
from veilmesh_ml.video.pixels import is_planar


@dataclass(frozen=True, slots=True)
class Codec:
    """One that we write.

    Attributes:
        encoder: FFmpeg's name of it.
        quality: what it is set to where nobody asks: the constant rate factor; None where it is lossless.
        worst: the highest that it takes.
        options: of the encoder.
        even: whether pictures of halved chroma must have even sides.
    """

    encoder: str
    quality: int | None
    worst: int = 51
    options: Mapping[str, str] = field(default_factory=dict)
    even: bool = False


CODECS: Final = {
    "h264": Codec("libx264", 18, options={"preset": "faster"}, even=True),
    "hevc": Codec("libx265", 20, options={"preset": "fast", "x265-params": "log-level=error"}, even=True),
    "vp9": Codec("libvpx-vp9", 24, worst=63, options={"b": "0", "deadline": "good", "cpu-used": "4"}),
    "av1": Codec("libsvtav1", 28, worst=63, options={"preset": "8"}, even=True),
    "ffv1": Codec("ffv1", None),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a video is written.

    Attributes:
        codec: one of `CODECS`; None for the input's where we write that, else H.264, in WebM VP9.
        quality: the codec's constant rate factor, lower is better; None for the codec's own.
    """

    codec: str | None = None
    quality: int | None = None

    def __post_init__(self) -> None:
        """Refuse what there is not.

        Raises:
            ParameterError: no such codec, or a quality that it does not take.
        """
        if self.codec is not None and self.codec not in CODECS:
            raise ParameterError(f"no codec called {self.codec!r}", hint=f"there are: {', '.join(CODECS)}")
        worst = 51 if self.codec is None else CODECS[self.codec].worst
        if self.quality is not None and not 0 <= self.quality <= worst:
            raise ParameterError(f"quality {self.quality} is not within 0 (best) and {worst}")

    def choose(self, of_input: str, container: str) -> Codec:
        """Return the codec for an input's, in a container that FFmpeg calls so."""
        name = self.codec or (of_input if of_input in CODECS else "h264")
        if container == "webm" and self.codec is None and name not in {"vp9", "av1"}:
            name = "vp9"
        return CODECS[name]

    def options(self, codec: Codec) -> dict[str, str]:
        quality = codec.quality if self.quality is None else self.quality
        crf = {} if codec.quality is None else {"crf": str(quality)}
        return {**codec.options, **crf}


def container_of(path: Path) -> str:
    """Return what FFmpeg calls the container that a file name asks for; for a pipe, Matroska.

    Raises:
        UnsupportedVideoError: its ending is none we write.
    """
    if path == PIPE:
        return "matroska"  # which needs no going back
    try:
        return FORMAT_OF_SUFFIX[path.suffix.lower()]
    except KeyError:
        raise UnsupportedVideoError(
            f"cannot write {path}: unknown ending {path.suffix!r}",
            hint=f"use one of {' '.join(FORMAT_OF_SUFFIX)}",
        ) from None


def pixel_format(codec: Codec, of_input: VideoFormat) -> str:
    """Return the planar format that loses least of the input's; one without halved chroma for odd sides."""
    odd = codec.even and bool(of_input.width % 2 or of_input.height % 2)
    offered = [
        each.name
        for each in av.Codec(codec.encoder, "w").video_formats or ()
        if is_planar(each) and not (odd and each.chroma_width(2) < 2)
    ]
    if of_input.name in offered:
        return of_input.name
    best, _ = find_best_pix_fmt_of_list(offered, of_input.name)
    if best is None:
        raise UnsupportedVideoError(
            f"{codec.encoder} writes nothing like {of_input.name}", hint="choose another codec"
        )
    return best.name
