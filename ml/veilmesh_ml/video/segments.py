"""Writes a video in segments of frames, each encoded by itself, so that a killed run loses one at most.

They are joined by copying what was encoded: the output is the same whether or not anybody stopped between.
"""

import heapq
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from veilmesh_ml.video.encoding import Encoding, container_of
from veilmesh_ml.video.reading import Copied, VideoReader
from veilmesh_ml.video.unfinished import Encoded, Unfinished
from veilmesh_ml.video.writing import VideoWriter, picture_encoder

SEGMENT: Final = 250  # frames, at least: x264 begins anew so often anyway


class SegmentWriter:
    """Takes the frames of an output that another run may have begun, or may have to finish."""

    def __init__(
        self,
        target: Path,
        like: VideoReader,
        encoding: Encoding,
        unfinished: Unfinished,
        *,
        segment: int = SEGMENT,
    ) -> None:
        """Go on after what is finished.

        Args:
            target: where the output will be; its ending names the container.
            like: what the frames come from; its other streams come along.
            encoding: codec and quality.
            unfinished: the output's folder.
            segment: frames of one, at least.

        Raises:
            UnsupportedVideoError: unknown ending, or a codec or sound that the container does not hold.
            UnwritableVideoError: it cannot be written.
        """
        self._target, self._like, self._encoding = target, like, encoding
        self._unfinished, self._segment = unfinished, segment
        self.left_out = self._require_writable()
        self.pixel_format = str(self._made_encoder().pix_fmt)
        self._encoder: VideoCodecContext | None = None
        self._file: IO[bytes] | None = None
        self._index: list[Encoded] = []
        self._frames = 0  # of the segment
        self._state: Callable[[], Any] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            with suppress(OSError):  # a full disk is full while closing too
                self._file.close()

    def add(self, frame: VideoFrame) -> None:
        """Encode the next frame; its `pts` is in the input's time base.

        Raises:
            UnwritableVideoError: it cannot be written.
        """
        frame.time_base = self._like.facts.time_base
        frame.pict_type = PictureType.NONE  # the encoder decides
        if self._encoder is None:
            self._encoder = self._made_encoder()
        self._frames += 1
        self._take(self._encoder.encode(frame))

    def copy(self, packet: Copied) -> None:
        """Pass over it: sound is copied when all frames are there."""

    def settled(self, state: Callable[[], Any]) -> None:
        """Hear that all frames so far are complete; where they make a segment, it is sealed.

        Args:
            state: returns JSON, from which the rest can be done.

        Raises:
            UnwritableVideoError: it cannot be written.
        """
        self._state = state
        if self._frames >= self._segment:
            self._seal()

    def finish(self) -> None:
        """Put the segments and the other streams together, and the output in its place.

        Raises:
            VideoError: it cannot be written, or does not hold what it should.
        """
        if self._frames:
            self._seal()
        self._join()
        self._unfinished.remove()

    def _require_writable(self) -> list[str]:
        """Return the streams that the output will not hold; refuse before any work is done.

        Raises:
            UnsupportedVideoError: unknown ending, or a codec or sound that the container does not hold.
        """
        with self._output() as output:
            return output.left_out

    def _made_encoder(self) -> VideoCodecContext:
        return picture_encoder(self._like, self._encoding, container_of(self._target))

    def _join(self) -> None:
        with self._output() as output:
            sound = self._like.copied()
            waiting = next(sound, None)
            for packet in self._packets():
                while waiting is not None and _seconds(waiting) <= _seconds(packet):
                    output.copy(waiting)
                    waiting = next(sound, None)
                output.add_encoded(packet)
            while waiting is not None:
                output.copy(waiting)
                waiting = next(sound, None)
            output.finish()

    def _output(self) -> VideoWriter:
        return VideoWriter(self._target, self._like, self._encoding, temporary=self._unfinished.joined)

    def _take(self, packets: "list[Packet[VideoStream]]") -> None:
        with self._unfinished.failing():
            if self._file is None:
                self._file = self._unfinished.packets_file(self._unfinished.segments).open("wb")
            for packet in packets:
                assert packet.pts is not None  # noqa: S101 (every encoder sets it; for the type checker)
                self._index.append(Encoded(packet.pts, packet.duration or 0, packet.size, packet.is_keyframe))
                self._file.write(bytes(packet))

    def _seal(self) -> None:
        assert self._encoder is not None  # noqa: S101 (there are frames; for the type checker)
        self._take(self._encoder.encode(None))
        assert self._file is not None  # noqa: S101 (`_take` opened it; for the type checker)
        with self._unfinished.failing():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        self._unfinished.seal(self._index, self._state())
        self._encoder, self._file, self._index, self._frames = None, None, [], 0

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        """Yield all encoded frames with times to decode them at, as one encoder would have set them.

        That is when a frame is shown that comes as many frames earlier as the most moved one comes late.
        """
        moved = max(map(_moved, self._unfinished.indexes()), default=0)
        shown: list[int] = []  # a heap of times that no packet was given yet
        step = 1
        for number, (encoded, content) in enumerate(self._unfinished.packets()):
            heapq.heappush(shown, encoded.pts)
            packet: Packet[Any] = Packet(content)
            packet.time_base = self._like.facts.time_base
            packet.pts, packet.duration = encoded.pts, encoded.duration
            step = step if number else max(1, encoded.duration)
            ahead = moved - number
            packet.dts = shown[0] - ahead * step if ahead > 0 else heapq.heappop(shown)
            packet.is_keyframe = encoded.key
            yield packet


def _moved(index: Sequence[Encoded]) -> int:
    """Return by how many places a frame is encoded later than it is shown, at most."""
    rank = {pts: number for number, pts in enumerate(sorted(each.pts for each in index))}
    return max((number - rank[each.pts] for number, each in enumerate(index)), default=0)


def _seconds(packet: "Packet[Any]") -> Fraction:
    at = packet.pts if packet.dts is None else packet.dts
    return Fraction(0) if at is None or packet.time_base is None else at * packet.time_base
