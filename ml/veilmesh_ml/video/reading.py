"""Reads a video as a stream: decoded frames of its one moving picture, and the other streams' packets.

Nothing is held but what the decoder holds. What is wrong with a file is told when it is met, which may be at
its end: a video that was cut short is complete up to there.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import chain
from math import inf, isfinite
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from veilmesh_ml.errors import DamagedVideoError, NotAVideoError, ParameterError, UnsupportedVideoError
from veilmesh_ml.image import MAX_PIXELS
from veilmesh_ml.threads import default_threads
from veilmesh_ml.video.orientation import Orientation
from veilmesh_ml.video.sources import PIPED, Kind, Source

_COPY_AGAIN: Final = "copy the file again from where it came from"
_AHEAD_S: Final = 2.0  # by which sound may lie behind the pictures of its time in a file
# A container that tells its length may be off by so much: 2 % and a second, as where sound goes on longer.
_MISSING_SHARE, _MISSING_S = 0.02, 1.0

Copied: TypeAlias = "Packet[Stream]"
Item: TypeAlias = "VideoFrame | Copied"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a video: from `start_s` on, and before `end_s`, in seconds from its beginning."""

    start_s: float = 0.0
    end_s: float = inf

    def __post_init__(self) -> None:
        """Refuse what holds nothing.

        Raises:
            ParameterError: it ends where it begins, or before.
        """
        if not 0 <= self.start_s < self.end_s:
            raise ParameterError(
                f"nothing lies between {self.start_s:g} s and {self.end_s:g} s", hint="swap --from and --to?"
            )

    def holds(self, at_s: float | None) -> bool:
        """Whether something of that time is in it; what has none is. Sound may begin before 0."""
        return at_s is None or (at_s < self.end_s and (not self.start_s or at_s >= self.start_s))


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What is known before anything is decoded.

    Attributes:
        width, height: as stored, pixels.
        frames: how many there will be, as the container says or by length and rate; 0 where nothing tells.
        rate: frames a second on the average, as the container says; 0 where nothing tells.
        time_base: seconds of one tick of the timestamps.
    """

    width: int
    height: int
    frames: int
    rate: float
    time_base: Fraction


class VideoReader:
    """An open video; iterate over it once."""

    def __init__(self, source: Path | Source, span: Span | None = None) -> None:
        """Open a video and decode its first frame.

        Args:
            source: a file, or another source.
            span: what of it is wanted; by default all.

        Raises:
            NotAVideoError: empty, no video, or sound alone.
            UnsupportedVideoError: several moving pictures, or frames too large.
            DamagedVideoError: no frame can be decoded.
            VideoError: it cannot be opened.
        """
        self.source = source if isinstance(source, Source) else Source.of(source)
        self.span = span or Span()
        self._container = self.source.open()
        try:
            self.stream = _moving_picture(self._container, self.source)
            self.stream.codec_context.thread_count = default_threads()
            self.stream.codec_context.thread_type = "AUTO"
            self._packets = 0
            self._items = self._decoded()
            self._before: list[Copied] = []
            self.first = self._first_frame()
            self.orientation = Orientation.of(self.first)
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def others(self) -> list[Stream]:
        """Sound, subtitles and data; neither covers, which may show a face, nor attachments."""
        return [
            stream
            for stream in self._container.streams
            if stream.type != "video" and not isinstance(stream, AttachmentStream)
        ]

    @property
    def facts(self) -> VideoFacts:
        rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(0)
        frames = self.stream.frames
        length_s = (self._container.duration or 0) / av.time_base
        if self.span != Span() or not frames:
            end_s = min(length_s, self.span.end_s) if length_s else self.span.end_s
            frames = round(float(rate) * max(0.0, end_s - self.span.start_s)) if isfinite(end_s) else 0
        assert self.stream.time_base is not None  # noqa: S101 (every demuxer sets it; for the type checker)
        return VideoFacts(self.first.width, self.first.height, frames, float(rate), self.stream.time_base)

    def __iter__(self) -> Iterator[Item]:
        """Yield frames in the order they are shown, each with a later `pts`, and packets as they lie between.

        Raises:
            DamagedVideoError: broken, or cut short: known at the end.
            UnsupportedVideoError: frames change their size.
        """
        last: int | None = None
        for item in chain(self._before, [self.first], self._items):
            if isinstance(item, VideoFrame):
                last = self._timed(item, last)
            at = self._at(item)
            if at is not None and at >= self.span.end_s + _AHEAD_S:
                return
            if self.span.holds(at):
                self._shift(item)
                yield item

    def copied(self) -> "Iterator[Copied]":
        """Yield the other streams' packets alone, from the beginning; for sources that can be read again.

        Raises:
            DamagedVideoError: the file is broken.
        """
        if not self.others:
            return
        with self.source.open() as container, _damaged(self.source):
            for packet in container.demux([container.streams[stream.index] for stream in self.others]):
                if packet.size and self.span.holds(self._at(packet)):
                    self._shift(packet)
                    yield packet

    def frame_at(self, at_s: float) -> VideoFrame:
        """Return the frame that is shown then, or the next; the reader cannot be iterated over afterwards.

        Args:
            at_s: seconds from the video's beginning.

        Raises:
            DamagedVideoError: broken.
        """
        found = self.first
        with _damaged(self.source):
            with suppress(OSError):  # what cannot be sought in is read from where it is
                self._container.seek(round((at_s + self._begins_s) * av.time_base))
            for frame in self._container.decode(self.stream):
                found = frame
                if (self._at(frame) or 0.0) >= at_s:
                    break
        return found

    def _at(self, item: Item) -> float | None:
        """Return when it is shown or heard, in seconds from the video's beginning."""
        tick = item.time_base or self.stream.time_base
        if item.pts is None or tick is None:
            return None
        return float(item.pts * tick) - self._begins_s

    @cached_property
    def _begins_s(self) -> float:
        if self.source.kind is Kind.CAMERA and self.first.pts is not None and self.stream.time_base:
            return float(self.first.pts * self.stream.time_base)  # its clock ran long before
        return (self._container.start_time or 0) / av.time_base

    def _shift(self, item: Item) -> None:
        """Bring the span's beginning, and a camera's, to where a video's beginning is."""
        start_s = self.span.start_s + (self._begins_s if self.source.kind is Kind.CAMERA else 0)
        if not start_s:
            return
        tick = item.time_base or self.stream.time_base
        assert tick is not None  # noqa: S101 (every demuxer sets it; for the type checker)
        ticks = round(start_s / tick)
        if item.pts is not None:
            item.pts -= ticks
        if item.dts is not None and not isinstance(item, VideoFrame):
            item.dts -= ticks

    def _timed(self, frame: VideoFrame, last: int | None) -> int:
        """Return the frame's `pts`, which it is given where the container has none."""
        if (frame.width, frame.height) != (self.first.width, self.first.height):
            raise UnsupportedVideoError(
                f"{self.source} changes its size from {self.first.width} x {self.first.height} to "
                f"{frame.width} x {frame.height}",
                hint="cut it where the size changes",
            )
        if frame.pts is None:
            facts = self.facts
            step = 1 if not facts.rate else max(1, round(1 / (facts.rate * facts.time_base)))
            frame.pts = 0 if last is None else last + step
        if last is not None and frame.pts <= last:
            raise DamagedVideoError(
                f"{self.source} has two frames at one time, or they go back in time", hint=_COPY_AGAIN
            )
        return frame.pts

    def _first_frame(self) -> VideoFrame:
        for item in self._items:
            if isinstance(item, VideoFrame):
                if item.width * item.height > MAX_PIXELS:
                    raise UnsupportedVideoError(
                        f"{self.source} has frames of more than {MAX_PIXELS // 1_000_000} million pixels",
                        hint="scale it down first",
                    )
                return item
            self._before.append(item)
        if self._packets:
            raise DamagedVideoError(f"no frame of {self.source} can be decoded", hint=_COPY_AGAIN)
        raise NotAVideoError(f"{self.source} has no frame", hint="there is nothing to anonymize")

    def _decoded(self) -> Iterator[Item]:
        end_s = 0.0
        with _damaged(self.source):
            for packet in self._container.demux([self.stream, *self.others]):
                if packet.stream is not self.stream:
                    if packet.size:
                        yield packet
                    continue
                self._packets += bool(packet.size)
                if packet.pts is not None and packet.time_base:
                    end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                yield from self.stream.decode(packet)
        self._require_whole(end_s)

    def _require_whole(self, end_s: float) -> None:
        """Compare with what the container promised."""
        promised = self.stream.frames
        length_s = (self._container.duration or 0) / av.time_base
        start_s = max(0.0, (self._container.start_time or 0) / av.time_base)
        missing_s = start_s + length_s - end_s
        if self._packets < promised or (
            self._packets and not promised and missing_s > max(_MISSING_S, _MISSING_SHARE * length_s)
        ):
            raise DamagedVideoError(f"{self.source} is cut short", hint=_COPY_AGAIN)


@contextmanager
def _damaged(source: Source) -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as err:
        raise DamagedVideoError(
            f"{source} is damaged: {err.strerror}", hint=PIPED if source.kind is Kind.PIPE else _COPY_AGAIN
        ) from err


def _moving_picture(container: InputContainer, source: Source) -> VideoStream:
    moving = [
        stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic
    ]
    if not moving:
        raise NotAVideoError(f"{source} has no moving picture", hint="there is nothing to anonymize")
    if len(moving) > 1:
        raise UnsupportedVideoError(
            f"{source} has {len(moving)} moving pictures", hint="put each into a file of its own"
        )
    return moving[0]
