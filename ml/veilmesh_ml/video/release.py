"""Anonymizes a video as a stream: read, follow faces, change them, let the gate judge, write.

At most `Tracker.delay` + `SETTLED_AT_ONCE` frames are held, whatever the length. Either the whole video comes
out or nothing; what is piped out is the exception. A run that is killed is gone on with by the same call.
"""

import hashlib
import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

import av
from av.video.frame import VideoFrame

from veilmesh_ml.anonymizers import load_anonymizer
from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY
from veilmesh_ml.engine import Engine
from veilmesh_ml.errors import AnonymizeError, MlError, ParameterError, UnwritableVideoError
from veilmesh_ml.face import Box
from veilmesh_ml.gate import GateLevel, ReleaseGate
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import KEY_BYTES
from veilmesh_ml.release import DEFAULT_METHOD
from veilmesh_ml.surrogate.bank import Donor
from veilmesh_ml.video.centerface import CenterFace
from veilmesh_ml.video.disguise import Disguises, Shot, TrackRecord, best
from veilmesh_ml.video.encoding import Encoding
from veilmesh_ml.video.inputs import PIPE, is_numbered
from veilmesh_ml.video.leaving import Choice, Leaving
from veilmesh_ml.video.lookout import Lookout
from veilmesh_ml.video.pictures import PictureWriter
from veilmesh_ml.video.pixels import in_format, lay_back, to_rgb
from veilmesh_ml.video.place import Place
from veilmesh_ml.video.reading import Copied, Span, VideoReader
from veilmesh_ml.video.remembering import from_document, to_document
from veilmesh_ml.video.segments import SEGMENT, SegmentWriter
from veilmesh_ml.video.sightings import Sightings, note
from veilmesh_ml.video.sources import Kind, Source
from veilmesh_ml.video.tracker import EVERY, Track, Tracker
from veilmesh_ml.video.unfinished import Command, Unfinished
from veilmesh_ml.video.writing import PipeWriter, VideoWriter

SETTLED_AT_ONCE: Final = 10  # frames
# Encoding loses what a key would bring back; and noise that is drawn anew goes away on the average of frames.
NOT_FOR_VIDEOS: Final = frozenset({"permute", "noise"})

Progress = Callable[[int, int], None]  # frames done; how many there are, 0 where nobody knows
Until = Callable[[], bool]  # asked between frames: whether the video is to end here


class Sink(Protocol):
    """Where the frames go."""

    @property
    def pixel_format(self) -> str:
        """What frames have to come in."""
        ...

    @property
    def left_out(self) -> list[str]:
        """Streams that it does not hold."""
        ...

    def add(self, frame: VideoFrame) -> None:
        """Take the next frame."""
        ...

    def copy(self, packet: Copied) -> None:
        """Take a packet of another stream."""
        ...

    def settled(self, state: Callable[[], Any]) -> None:
        """Hear that all frames so far are complete, and how to go on from here."""
        ...

    def finish(self) -> None:
        """Put the output in its place."""
        ...


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """How a video is anonymized.

    Attributes:
        method: name of the anonymizer; what the gate refuses falls through to stronger settings and the mask.
        parameters: of the anonymizer.
        threshold_dissimilarity: at or below it two faces match.
        level: how far above it the gate wants every attack to stay.
        encoding: codec and quality.
        every: frames from one look of the detector to the next; between them faces are followed.
        choice: who is anonymized.
        span: what of the video comes out.
    """

    method: str = DEFAULT_METHOD
    parameters: Mapping[str, Any] = field(default_factory=dict)
    threshold_dissimilarity: float = DLIB_THRESHOLD_DISSIMILARITY
    level: GateLevel = GateLevel.STANDARD
    encoding: Encoding = field(default_factory=Encoding)
    every: int = EVERY
    choice: Choice = field(default_factory=Choice)
    span: Span = field(default_factory=Span)

    def __post_init__(self) -> None:
        """Refuse what does not work on videos.

        Raises:
            ParameterError: such a method, or no distance between looks.
        """
        if self.method in NOT_FOR_VIDEOS:
            raise ParameterError(f"{self.method} is not for videos", hint="use cluster, or mask")
        if self.every < 1:
            raise ParameterError(f"the detector cannot look at every {self.every} frames")

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that decides what comes out."""
        parts = (
            self.method,
            sorted(self.parameters.items()),
            self.threshold_dissimilarity,
            str(self.level),
            self.encoding,
            self.every,
            self.choice.digest,
            self.span,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class VideoReport:
    """What became of a video.

    Attributes:
        source, target: files, pipes and the like.
        frames: how many.
        gone_on_at: how many of them an earlier run had finished.
        tracks: faces, in the order in which they appear.
        sightings: where they are in a few frames of the output, by track.
        left_out: streams that the container does not hold.
        input_sha256, output_sha256: hex, of the files; empty where there is no file.
        method: that was asked for.
        settings_digest: of the settings.
        model_digest: SHA-256 (hex) of the encoder that the gate used.
    """

    source: Path
    target: Path
    frames: int
    gone_on_at: int
    tracks: tuple[TrackRecord, ...]
    sightings: Mapping[int, Sightings] = field(repr=False)
    left_out: tuple[str, ...]
    input_sha256: str
    output_sha256: str
    method: str
    settings_digest: str
    model_digest: str


def anonymize_video(
    source: Path | Source,
    target: Path,
    engine: Engine,
    settings: VideoSettings | None = None,
    *,
    progress: Progress | None = None,
    until: Until | None = None,
    segment: int = SEGMENT,
) -> VideoReport:
    """Anonymize a video.

    What was killed, or ended for want of space, is gone on with by the same call: finished segments are not
    computed again. Only a pipe and a camera cannot be gone on with.

    Args:
        source: any that FFmpeg reads, with one moving picture; numbered pictures; a pipe; a camera.
        target: written whole or not at all; its ending names the container. `frames/%04d.png` for numbered
            pictures. `-` for a pipe, in Matroska: frames go out as soon as the gate passed them.
        engine: finds faces, and judges.
        settings: how; by default `DEFAULT_METHOD` at the standard gate level.
        progress: called as frames are done.
        until: ends the video early; for cameras, which have no end of their own.
        segment: frames that are finished together, at least.

    Raises:
        VideoError: it cannot be read, written, or is of a kind that we do not take.
        ParameterError: the method does not take these parameters, or source and target are one file.
        AnonymizeError: no face was found in it.
    """
    settings = settings or VideoSettings()
    source = source if isinstance(source, Source) else Source.of(source)
    same_file = source.kind is Kind.FILE and target.exists() and target.samefile(source.path)
    if same_file or (source.again and target.resolve() == source.path.resolve()):
        raise ParameterError(f"{target} is input and output at once", hint="name another output")
    gate = ReleaseGate(engine, threshold_dissimilarity=settings.threshold_dissimilarity, level=settings.level)
    method = load_anonymizer(settings.method, **settings.parameters)
    with (
        VideoReader(source, settings.span) as reader,
        _opened(reader, target, engine, settings, segment) as (
            writer,
            command,
            known,
        ),
    ):
        disguises = Disguises(gate, [method], bytes.fromhex(command.key))
        leaving = Leaving(settings.choice, engine, settings.threshold_dissimilarity, disguises.records)
        tracker = Tracker(Lookout(engine, CenterFace.load()), every=settings.every)
        pipeline = _Pipeline(reader, writer, tracker, disguises, leaving, progress or (lambda *_: None))
        pipeline.remember(known)
        for item in reader:
            if isinstance(item, VideoFrame):
                pipeline.add(item)
            else:
                writer.copy(item)
            if until is not None and until():
                break
        pipeline.end()
        if not disguises.records:
            raise AnonymizeError(
                f"no face was found in {source}, so nothing was written: a missed one would go out as it is"
                if target != PIPE
                else f"no face was found in {source}: it went out as it is",
                hint="copy the file yourself if nobody is in it",
            )
        writer.finish()
    tracks = tuple(disguises.records[number] for number in sorted(disguises.records))
    return VideoReport(
        source.path,
        target,
        pipeline.done,
        pipeline.gone_on_at,
        tracks,
        pipeline.sightings,
        tuple(writer.left_out),
        command.input_sha256 or source.sha256(),
        Source.of(target).sha256() if target != PIPE else "",
        settings.method,
        settings.digest,
        engine.model_digest,
    )


@contextmanager
def _opened(
    reader: VideoReader, target: Path, engine: Engine, settings: VideoSettings, segment: int
) -> Iterator[tuple[Sink, Command, Any]]:
    """Open the output: what takes frames, the command whose key counts, and what an earlier run knew."""
    source, key = reader.source, secrets.token_bytes(KEY_BYTES)
    if target == PIPE or not (source.again or is_numbered(target)):
        at_once = VideoWriter if target != PIPE else PipeWriter
        with at_once(target, reader, settings.encoding) as direct:
            yield direct, Command("", settings.digest, key.hex()), None
        return
    digest = source.sha256() if source.again else ""
    made_by = f"{settings.digest} {engine.model_digest} {version('veilmesh')} {av.__version__} {source.rate}"
    with Unfinished(
        target,
        Command(digest or secrets.token_hex(32), hashlib.sha256(made_by.encode()).hexdigest(), key.hex()),
    ) as work:
        try:
            made = PictureWriter if is_numbered(target) else SegmentWriter
            with made(target, reader, settings.encoding, work, segment=segment) as writer:
                yield writer, replace(work.command, input_sha256=digest), work.state
        except UnwritableVideoError:
            raise
        except MlError:
            work.remove()  # another run would end the same way
            raise


@dataclass(slots=True, eq=False)
class _Pipeline:
    """The frames between reader and writer."""

    reader: VideoReader
    writer: Sink
    tracker: Tracker
    disguises: Disguises
    leaving: Leaving
    progress: Progress
    done: int = 0
    gone_on_at: int = 0
    sightings: dict[int, Sightings] = field(default_factory=dict)
    _read: int = 0
    _held: deque[VideoFrame] = field(default_factory=deque)
    _known: Mapping[str, Any] | None = None  # of an earlier run, until its frames were read again
    _seen_again: dict[int, RgbImage] = field(default_factory=dict)

    def remember(self, state: Any) -> None:
        """Take what an earlier run knew, None where there was none; before the first frame."""
        if state is None:
            return
        self._known = from_document(state, Place, Track, TrackRecord, Sightings, Box, Donor)
        self.done = self.gone_on_at = self._known["done"]
        self.progress(self.done, self.reader.facts.frames)

    def add(self, frame: VideoFrame) -> None:
        number = self._read
        self._read += 1
        if self._known is not None:
            self._see_again(number, frame)
            return
        own = in_format(frame, self.writer.pixel_format)
        self.tracker.add(to_rgb(own, self.reader.orientation))
        self._held.append(own)
        if len(self._held) >= self.tracker.delay + SETTLED_AT_ONCE:
            self._settle(SETTLED_AT_ONCE)

    def end(self) -> None:
        self.tracker.end()
        while self._held:
            self._settle(min(SETTLED_AT_ONCE, len(self._held)))

    def _see_again(self, number: int, frame: VideoFrame) -> None:
        """Pass over what is finished, and hold what was held when it was."""
        assert self._known is not None  # noqa: S101 (only then; for the type checker)
        newest = self._known["tracker"]["_newest"]
        if number >= self.done - 1:
            own = in_format(frame, self.writer.pixel_format)
            self._seen_again[number] = to_rgb(own, self.reader.orientation)
            if number >= self.done:
                self._held.append(own)
        if number == newest:
            self.tracker.resume(self._known["tracker"], self._seen_again)
            self.disguises.resume(self._known["disguises"])
            self.sightings = self._known["sightings"]
            self._known, self._seen_again = None, {}

    def _state(self) -> Any:
        """Return what has to be known to go on from here."""
        return to_document(
            {
                "done": self.done,
                "tracker": self.tracker.state(),
                "disguises": self.disguises.state(self.tracker.numbers),
                "sightings": self.sightings,
            }
        )

    def _settle(self, count: int) -> None:
        frames = [self._held.popleft() for _ in range(count)]
        orientation = self.reader.orientation
        shots = [
            Shot(
                self.done + index,
                to_rgb(frame, orientation),
                {track.number: place for track, place in self.tracker.take()},
            )
            for index, frame in enumerate(frames)
        ]
        note(self.sightings, shots)
        settled = self.disguises.settle(self.leaving.remaining(shots), self._later)
        for frame, disguised in zip(frames, settled, strict=True):
            if disguised.windows:
                lay_back(frame, disguised.picture, disguised.windows, orientation)
            self.writer.add(frame)
            self.done += 1
        self.progress(self.done, self.reader.facts.frames)
        self.writer.settled(self._state)

    def _later(self, tracks: Collection[int]) -> Iterator[Shot]:
        """Yield the best of the held frames in which these tracks are seen."""
        wanted: dict[int, dict[int, Place]] = {}
        for track in tracks:
            sure = {
                number: place for number, place in self.tracker.sightings(track).items() if not place.slack
            }
            for number in best(sure):
                wanted.setdefault(number, {})[track] = sure[number]
        first = self._read - len(self._held)
        for number in sorted(wanted):
            picture = to_rgb(self._held[number - first], self.reader.orientation)
            yield Shot(number, picture, wanted[number])
