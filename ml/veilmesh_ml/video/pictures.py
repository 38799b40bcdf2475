"""Writes numbered pictures, as frames/%04d.png: all of them, or none.

Until all frames are there they are kept as a lossless video, in segments as any other output.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from veilmesh_ml.image import write_image
from veilmesh_ml.video.encoding import Encoding
from veilmesh_ml.video.pixels import to_rgb
from veilmesh_ml.video.segments import SegmentWriter
from veilmesh_ml.video.sources import Kind, numbered
from veilmesh_ml.video.writing import picture_encoder

_LOSSLESS: Final = Encoding("ffv1")


class PictureWriter(SegmentWriter):
    """Takes frames; sound and all else is left out."""

    def _require_writable(self) -> list[str]:
        return [f"{stream.type} ({stream.name})" for stream in self._like.others]

    def _made_encoder(self) -> VideoCodecContext:
        return picture_encoder(self._like, _LOSSLESS, "matroska")

    def _join(self) -> None:
        """Write all pictures beside the segments, then put them in their places.

        Their numbers are those of the input's pictures; of another input's, they are counted from 1.
        """
        source, folder = self._like.source, self._unfinished.folder
        first = min(numbered(source.path)) if source.kind is Kind.PICTURES else 1
        first += round(self._like.span.start_s * self._like.facts.rate)
        with self._unfinished.failing():
            moves: list[tuple[Path, Path]] = []
            for number, frame in enumerate(self._decoded(), first):
                made = folder / f"{number}.joined{self._target.suffix}"
                write_image(made, to_rgb(frame, self._like.orientation))
                moves.append((made, self._target.with_name(self._target.name % number)))
            for made, place in moves:
                made.replace(place)

    def _decoded(self) -> Iterator[VideoFrame]:
        encoder = self._made_encoder()
        encoder.open()
        decoder = CodecContext.create("ffv1", "r")
        assert isinstance(decoder, VideoCodecContext)  # noqa: S101 (for the type checker)
        decoder.extradata = encoder.extradata
        for name in ("width", "height", "color_range", "color_primaries", "color_trc", "colorspace"):
            setattr(decoder, name, getattr(encoder, name))  # ffv1 itself keeps no colours
        for packet in self._packets():
            yield from decoder.decode(packet)
        yield from decoder.decode(None)
