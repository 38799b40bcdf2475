"""Writes a video beside its place, looks at what was written, and only then puts it there.

Frames come out at the times they came in; the other streams' packets are copied as they are. Nothing is
told of who filmed what, when and where: of the metadata only languages go over.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
from av.codec.context import CodecContext, Flags
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from veilmesh_ml.errors import UnsupportedVideoError, UnwritableVideoError, VideoError
from veilmesh_ml.threads import default_threads
from veilmesh_ml.video.encoding import Codec, Encoding, container_of, pixel_format
from veilmesh_ml.video.reading import Copied, VideoReader

_SPACE: Final = "check free space and permissions"


@dataclass(slots=True)
class _Record:
    """What was copied into a stream, so that it can be looked for in the file."""

    index: int
    packets: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, packet: Copied) -> None:
        self.packets += 1
        self.digest.update(packet)


class VideoWriter:
    """A video that is being written; without `finish` nothing of it stays."""

    def __init__(
        self, target: Path, like: VideoReader, encoding: Encoding, *, temporary: Path | None = None
    ) -> None:
        """Open a file that takes what `like` gives.

        Args:
            target: where it will be; its ending names the container.
            like: a video of the same size, rate and turn, whose other streams come along.
            encoding: codec and quality.
            temporary: where it is until it is finished; by default a file of its own beside `target`.

        Raises:
            UnsupportedVideoError: unknown ending, or a codec or sound that the container does not hold.
            VideoError: it cannot be written.
        """
        self.target = target
        self._temporary: Path | None = None
        self.left_out: list[str] = []
        self._like = like
        self._name = container_of(target)
        try:
            with self._failing():
                self._temporary = temporary or self._beside()
                facts = like.facts
                # else the muxer multiplies a coarse time base
                options = {"video_track_timescale": str(facts.time_base.denominator)}
                options = options if self._name in {"mp4", "mov"} else {}
                self._container = self._open(options)
                self._picture = self._add_picture(encoding)
                self._copies = dict(self._add_copies())
        except BaseException:
            self._discard()
            raise
        self._frames, self._first, self._last, self._sum = 0, Fraction(0), Fraction(0), Fraction(0)
        self._encodes = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._discard()

    @property
    def pixel_format(self) -> str:
        """What frames have to come in."""
        return str(self._picture.codec_context.pix_fmt)

    def add(self, frame: VideoFrame) -> None:
        """Encode the next frame; its `pts` is in the input's time base.

        Raises:
            VideoError: it cannot be written.
        """
        assert frame.pts is not None  # noqa: S101 (the reader gives every frame one; for the type checker)
        frame.time_base = self._like.facts.time_base
        frame.pict_type = PictureType.NONE  # the encoder decides
        self._count(frame.pts * frame.time_base)
        self._encodes = True
        with self._failing():
            self._container.mux(self._picture.encode(frame))

    def add_encoded(self, packet: "Packet[VideoStream]") -> None:
        """Take the next frame as `picture_encoder` made it; its times are in the input's time base.

        Raises:
            VideoError: it cannot be written.
        """
        assert packet.pts is not None  # noqa: S101 (every encoder sets it; for the type checker)
        packet.time_base = self._like.facts.time_base
        self._count(packet.pts * packet.time_base)
        with self._failing():
            packet.stream = self._picture
            self._container.mux(packet)

    def copy(self, packet: Copied) -> None:
        """Copy a packet of another stream as it is.

        Raises:
            VideoError: it cannot be written.
        """
        copied = self._copies.get(packet.stream.index)
        if copied is None:
            return
        stream, record = copied
        record.add(packet)
        with self._failing():
            packet.stream = stream
            self._container.mux(packet)

    def settled(self, state: Callable[[], Any]) -> None:
        """Hear that all frames so far are complete. Nothing is kept of what is not finished here."""

    def finish(self) -> None:
        """Close the file, read it once more, and put it in its place.

        Raises:
            VideoError: it cannot be written, or does not hold what it should; nothing is left behind.
        """
        with self._failing():
            if self._encodes:
                self._container.mux(self._picture.encode(None))
            self._container.close()
            assert self._temporary is not None  # noqa: S101 (pipes alone have none; for the type checker)
            self._look_at_it()
            with self._temporary.open("rb") as file:
                os.fsync(file.fileno())
            self._temporary.replace(self.target)

    def _open(self, options: dict[str, str]) -> OutputContainer:
        return av.open(str(self._temporary), "w", format=self._name, options=options)

    def _count(self, at: Fraction) -> None:
        """Note a frame's time, in seconds; encoded frames come in another order than they are shown."""
        self._first, self._last = (min(self._first, at), max(self._last, at)) if self._frames else (at, at)
        self._frames, self._sum = self._frames + 1, self._sum + at

    def _add_picture(self, encoding: Encoding) -> VideoStream:
        codec = encoding.choose(self._like.stream.codec_context.name, self._name)
        if codec.encoder not in self._container.supported_codecs:
            raise UnsupportedVideoError(
                f"{self.target.suffix} does not hold {codec.encoder}", hint="choose another codec or .mkv"
            )
        stream = self._container.add_stream(
            codec.encoder, rate=_rate(self._like), options=encoding.options(codec)
        )
        assert isinstance(stream, VideoStream)  # noqa: S101 (for the type checker)
        stream.time_base = self._like.facts.time_base
        _set_up(stream.codec_context, codec, self._like)
        if self._like.orientation.matrix is not None:
            stream.set_display_matrix(self._like.orientation.matrix)
        _describe(stream, self._like.stream)
        return stream

    def _add_copies(self) -> Iterator[tuple[int, tuple[Stream, _Record]]]:
        """Take over the other streams, by their number; what the container does not hold is left out."""
        for stream in self._like.others:
            name = stream.codec_context.name if stream.codec_context else "unknown"
            if name not in self._container.supported_codecs:
                if stream.type == "audio":
                    raise UnsupportedVideoError(
                        f"{self.target.suffix} does not hold sound in {name}", hint="write an .mkv"
                    )
                self.left_out.append(f"{stream.type} ({name})")
                continue
            copy = self._container.add_stream_from_template(stream)
            _describe(copy, stream)
            yield stream.index, (copy, _Record(copy.index))

    def _look_at_it(self) -> None:
        """Read the file's packets: as many frames, at the same times, and the same sound.

        Raises:
            VideoError: it holds anything else.
        """
        frames, total, first, last = 0, Fraction(0), Fraction(0), Fraction(0)
        found = {record.index: _Record(record.index) for _, record in self._copies.values()}
        with av.open(str(self._temporary)) as written:
            tick = written.streams.video[0].time_base or Fraction(0)
            for packet in written.demux():
                if packet.stream.index in found and packet.size:
                    found[packet.stream.index].add(packet)
                elif packet.size and packet.pts is not None:
                    at = packet.pts * tick
                    first, last = (min(first, at), max(last, at)) if frames else (at, at)
                    frames, total = frames + 1, total + at
        # Matroska and WebM begin at 0: sound that begins earlier moves everything by as much
        moved = first - self._first
        off = max(abs(last - self._last - moved), abs((total - self._sum) / max(1, frames) - moved))
        same = all(
            (found[record.index].packets, found[record.index].digest.digest())
            == (record.packets, record.digest.digest())
            for _, record in self._copies.values()
        )
        if frames != self._frames or off > tick or not same:
            raise VideoError(f"what was written for {self.target} is not whole", hint=_SPACE)

    def _discard(self) -> None:
        """Remove what was not finished; nothing where it was."""
        container = getattr(self, "_container", None)
        if container is not None:
            with suppress(OSError, ValueError):  # a full disk is full while closing too
                container.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def _beside(self) -> Path | None:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(
            dir=self.target.parent, prefix=f".{self.target.name}.", suffix=".part"
        )
        os.close(descriptor)
        return Path(temporary)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as err:  # FFmpeg's errors are one or the other
            reason = getattr(err, "strerror", None) or err
            raise UnwritableVideoError(f"cannot write {self.target}: {reason}", hint=_SPACE) from err


class PipeWriter(VideoWriter):
    """A video that goes to standard output, as Matroska, while it is made: nobody can take back what went."""

    def finish(self) -> None:
        """Send the rest.

        Raises:
            VideoError: nobody takes it any more.
        """
        with self._failing():
            self._container.mux(self._picture.encode(None))
            self._container.close()

    def _beside(self) -> None:
        """There is no such file."""

    def _open(self, options: dict[str, str]) -> OutputContainer:
        return av.open(
            sys.stdout.buffer, "w", format=self._name, options={**options, "live": "1", "flush_packets": "1"}
        )


def picture_encoder(like: VideoReader, encoding: Encoding, container: str) -> VideoCodecContext:
    """Return an encoder whose packets `VideoWriter.add_encoded` takes, for a container of this name."""
    codec = encoding.choose(like.stream.codec_context.name, container)
    context = CodecContext.create(codec.encoder, "w")
    assert isinstance(context, VideoCodecContext)  # noqa: S101 (for the type checker)
    context.options = encoding.options(codec)
    context.framerate = _rate(like) or Fraction(0)
    context.flags |= Flags.global_header  # as all our containers want
    _set_up(context, codec, like)
    return context


def _set_up(context: VideoCodecContext, codec: Codec, reader: VideoReader) -> None:
    like, first = reader.stream.codec_context, reader.first
    context.width, context.height = first.width, first.height
    context.pix_fmt = pixel_format(codec, first.format)
    context.time_base = reader.facts.time_base
    context.thread_count = default_threads()
    context.flags |= Flags.frame_duration
    if like.sample_aspect_ratio is not None:
        context.sample_aspect_ratio = like.sample_aspect_ratio
    for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
        setattr(context, name, getattr(like, name))


def _rate(like: VideoReader) -> Fraction | None:
    return Fraction(like.facts.rate).limit_denominator(100_000) or None


def _describe(stream: Stream, like: Stream) -> None:
    """Say what a stream is, but nothing of who made it."""
    stream.disposition = like.disposition
    if like.language:
        stream.metadata["language"] = like.language
