"""Anonymizes a video as a stream: read, follow faces, change them, let the gate judge, write.

At most `Tracker.delay` + `SETTLED_AT_ONCE` frames are held, whatever the length. Either the whole video comes
out or nothing.
"""

import hashlib
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from av.video.frame import VideoFrame

from veilmesh_ml.anonymizers import load_anonymizer
from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY
from veilmesh_ml.engine import Engine
from veilmesh_ml.errors import AnonymizeError, ParameterError
from veilmesh_ml.gate import GateLevel, ReleaseGate
from veilmesh_ml.keystream import KEY_BYTES
from veilmesh_ml.release import DEFAULT_METHOD
from veilmesh_ml.video.disguise import Disguises, Shot, TrackRecord
from veilmesh_ml.video.encoding import Encoding
from veilmesh_ml.video.pixels import in_format, lay_back, to_rgb
from veilmesh_ml.video.reading import VideoReader
from veilmesh_ml.video.tracker import EVERY, Tracker
from veilmesh_ml.video.writing import VideoWriter

SETTLED_AT_ONCE: Final = 10  # frames
# Encoding loses what a key would bring back; and noise that is drawn anew goes away on the average of frames.
NOT_FOR_VIDEOS: Final = frozenset({"permute", "noise"})

Progress = Callable[[int, int], None]  # frames done; how many there are, 0 where nobody knows


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
    """

    method: str = DEFAULT_METHOD
    parameters: Mapping[str, Any] = field(default_factory=dict)
    threshold_dissimilarity: float = DLIB_THRESHOLD_DISSIMILARITY
    level: GateLevel = GateLevel.STANDARD
    encoding: Encoding = field(default_factory=Encoding)
    every: int = EVERY

    def __post_init__(self) -> None:
        """Refuse what does not work on videos.

        Raises:
            ParameterError: such a method, or no distance between looks.
        """
        if self.method in NOT_FOR_VIDEOS:
            raise ParameterError(f"{self.method} is not for videos", hint="use cluster, or mask")
        if self.every < 1:
            raise ParameterError(f"the detector cannot look at every {self.every} frames")


@dataclass(frozen=True, slots=True)
class VideoReport:
    """What became of a video.

    Attributes:
        source, target: files.
        frames: how many.
        tracks: faces, in the order in which they appear.
        left_out: streams that the container does not hold.
        input_sha256, output_sha256: hex, of the files.
        model_digest: SHA-256 (hex) of the encoder that the gate used.
    """

    source: Path
    target: Path
    frames: int
    tracks: tuple[TrackRecord, ...]
    left_out: tuple[str, ...]
    input_sha256: str
    output_sha256: str
    model_digest: str


def anonymize_video(
    source: Path,
    target: Path,
    engine: Engine,
    settings: VideoSettings | None = None,
    *,
    progress: Progress | None = None,
) -> VideoReport:
    """Anonymize a video.

    Args:
        source: any that FFmpeg reads, with one moving picture.
        target: written whole or not at all; its ending names the container.
        engine: finds faces, and judges.
        settings: how; by default `DEFAULT_METHOD` at the standard gate level.
        progress: called as frames are done.

    Raises:
        VideoError: it cannot be read, written, or is of a kind that we do not take.
        ParameterError: the method does not take these parameters, or source and target are one file.
        AnonymizeError: no face was found in it.
    """
    settings = settings or VideoSettings()
    if target.exists() and target.samefile(source):
        raise ParameterError(f"{target} is input and output at once", hint="name another output")
    gate = ReleaseGate(engine, threshold_dissimilarity=settings.threshold_dissimilarity, level=settings.level)
    method = load_anonymizer(settings.method, **settings.parameters)
    disguises = Disguises(gate, [method], secrets.token_bytes(KEY_BYTES))
    with VideoReader(source) as reader, VideoWriter(target, reader, settings.encoding) as writer:
        pipeline = _Pipeline(
            reader, writer, Tracker(engine, every=settings.every), disguises, progress or (lambda *_: None)
        )
        for item in reader:
            if isinstance(item, VideoFrame):
                pipeline.add(item)
            else:
                writer.copy(item)
        pipeline.end()
        if not disguises.records:
            raise AnonymizeError(
                f"no face was found in {source}, so nothing was written: a missed one would go out as it is",
                hint="copy the file yourself if nobody is in it",
            )
        writer.finish()
    tracks = tuple(disguises.records[number] for number in sorted(disguises.records))
    return VideoReport(
        source,
        target,
        pipeline.done,
        tracks,
        tuple(writer.left_out),
        _sha256(source),
        _sha256(target),
        engine.model_digest,
    )


@dataclass(slots=True, eq=False)
class _Pipeline:
    """The frames between reader and writer."""

    reader: VideoReader
    writer: VideoWriter
    tracker: Tracker
    disguises: Disguises
    progress: Progress
    done: int = 0
    _held: deque[VideoFrame] = field(default_factory=deque)
    _taken: int = 0  # out of `_held`

    def add(self, frame: VideoFrame) -> None:
        own = in_format(frame, self.writer.pixel_format)
        self.tracker.add(to_rgb(own, self.reader.orientation))
        self._held.append(own)
        if len(self._held) >= self.tracker.delay + SETTLED_AT_ONCE:
            self._settle(SETTLED_AT_ONCE)

    def end(self) -> None:
        self.tracker.end()
        while self._held:
            self._settle(min(SETTLED_AT_ONCE, len(self._held)))

    def _settle(self, count: int) -> None:
        frames = [self._held.popleft() for _ in range(count)]
        self._taken += count
        orientation = self.reader.orientation
        shots = [
            Shot(
                self.done + index,
                to_rgb(frame, orientation),
                {track.number: place for track, place in self.tracker.take()},
            )
            for index, frame in enumerate(frames)
        ]
        settled = self.disguises.settle(shots, self._later)
        for frame, disguised in zip(frames, settled, strict=True):
            if disguised.windows:
                lay_back(frame, disguised.picture, disguised.windows, orientation)
            self.writer.add(frame)
            self.done += 1
        self.progress(self.done, self.reader.facts.frames)

    def _later(self, track: int) -> list[Shot]:
        """Return the held frames in which a track is seen."""
        return [
            Shot(number, to_rgb(self._held[number - self._taken], self.reader.orientation), {track: place})
            for number, place in self.tracker.sightings(track).items()
        ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
