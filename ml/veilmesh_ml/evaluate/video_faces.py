"""What a video still tells of the faces in it, frame by frame, beside the original.

A face-frame is a face that MMOD, the reference detector, finds in one frame of the original. It is

- *masked* where nothing but one flat colour is left of it: the encoder finds a dark or small face as near to
  flat grey as to itself, so such a match says nothing (docs/adr/0012);
- *exposed* where it is not masked and still matches itself, aligned by the original's landmarks, in any of
  the ways that count (`alignments`).

CenterFace finds more faces, from the side and in the dark, which the encoder cannot compare. Such a face is
*untouched* where its fine detail is still the original's.

Steadiness: how alike the landmarks move, from frame to frame, in the original and in the output; and flicker,
how much the aligned face changes from frame to frame.

Attack over many frames: all of a track's aligned faces in the output are averaged, which takes away what is
drawn anew for each, and the average is compared with the original's.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from veilmesh_ml.comparison import DLIB_THRESHOLD_DISSIMILARITY, Features
from veilmesh_ml.engine import CHIP_PX, align_all
from veilmesh_ml.evaluate.alignments import alignments
from veilmesh_ml.face import Box, Face
from veilmesh_ml.fast.engine import FastEngine
from veilmesh_ml.five_points import five_points
from veilmesh_ml.image import RgbImage
from veilmesh_ml.video.association import associate
from veilmesh_ml.video.centerface import CenterFace, FoundFace
from veilmesh_ml.video.lookout import FAINT
from veilmesh_ml.video.pixels import to_rgb
from veilmesh_ml.video.reading import VideoReader

FLAT_WITHIN: Final = 10  # levels about the median, after encoding
FLAT_SHARE: Final = 0.95  # of the pixels between brows and mouth
SEEN_CLEARLY: Final = 0.5  # CenterFace's confidence
DETAIL_PX: Final = 48  # side that a face is brought to before its detail is compared
DETAIL_KEPT: Final = (
    0.5  # correlation; a blurred or exchanged face has about 0, one encoded again .8 and more
)
LEAST_FRAMES: Final = 5  # of a track that is averaged


@dataclass(slots=True, eq=False)
class Told:
    """What one output tells; lists have one entry a face-frame, or a pair of frames.

    Attributes:
        frames: how many it has.
        dissimilarity: of each face-frame to itself in the original.
        masked: of each.
        tracks: of each, its number.
        untouched, clear: of the faces that CenterFace sees clearly.
        motion: of five points in the original and in the output, in widths of the face, (n, 2, 10).
        flicker: mean difference of aligned faces, levels: original and output, (n, 2).
        averaged: how near each track's average comes to any of its original faces.
    """

    frames: int = 0
    dissimilarity: list[float] = field(default_factory=list)
    masked: list[bool] = field(default_factory=list)
    tracks: list[int] = field(default_factory=list)
    untouched: int = 0
    clear: int = 0
    motion: list[NDArray[np.float64]] = field(default_factory=list)
    flicker: list[tuple[float, float]] = field(default_factory=list)
    averaged: list[float] = field(default_factory=list)

    @property
    def exposed(self) -> NDArray[np.bool_]:
        """Of each face-frame."""
        near = np.array(self.dissimilarity) <= DLIB_THRESHOLD_DISSIMILARITY
        return np.asarray(near & ~np.array(self.masked, dtype=np.bool_))

    def add(self, other: Self, first_track: int) -> None:
        """Enter another clip's, whose tracks are numbered on."""
        self.frames += other.frames
        self.dissimilarity += other.dissimilarity
        self.masked += other.masked
        self.tracks += [first_track + track for track in other.tracks]
        self.untouched += other.untouched
        self.clear += other.clear
        self.motion += other.motion
        self.flicker += other.flicker
        self.averaged += other.averaged


@dataclass(frozen=True, slots=True, eq=False)
class _Original:
    """A face of the original in one frame.

    Attributes:
        ways: as it is compared; the first says where it is.
        features: of each way, float64 (n, 128).
    """

    ways: Sequence[Face]
    features: Features

    @property
    def face(self) -> Face:
        return self.ways[0]


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A face in one frame of one video."""

    points: NDArray[np.float64]  # (5, 2)
    chip: RgbImage  # uint8 (150, 150, 3), aligned by the original's landmarks
    masked: bool


@dataclass(slots=True, eq=False)
class _Average:
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros((CHIP_PX, CHIP_PX, 3)))
    frames: int = 0


class Examiner:
    """Looks at a clip and at what became of it."""

    def __init__(self, engine: FastEngine, detector: CenterFace) -> None:
        self._engine, self._detector = engine, detector

    def examine(self, original: Path, outputs: Mapping[str, Path]) -> tuple[dict[str, Told], int]:
        """Return what each output tells, by its name, and how many tracks there are in the original.

        Frames are compared in their order, as far as both go.

        Raises:
            VideoError: one of them cannot be read.
        """
        clip = _Clip(self._engine, self._detector, tuple(outputs))
        with ExitStack() as open_files:
            readers = [open_files.enter_context(VideoReader(path)) for path in (original, *outputs.values())]
            frames = [
                (to_rgb(item, reader.orientation) for item in reader if isinstance(item, VideoFrame))
                for reader in readers
            ]
            for before, *after in zip(*frames, strict=False):
                clip.look(before, dict(zip(outputs, after, strict=True)))
        clip.attack()
        return clip.told, clip.made


class _Clip:
    def __init__(self, engine: FastEngine, detector: CenterFace, names: Sequence[str]) -> None:
        self._engine, self._detector = engine, detector
        self.told = {name: Told() for name in names}
        self.made = 0
        self._last: dict[int, tuple[Face, _Seen]] = {}
        self._last_of: dict[str, dict[int, _Seen]] = {name: {} for name in names}
        self._averages: dict[str, dict[int, _Average]] = {name: {} for name in names}
        self._originals: dict[int, list[Features]] = {}

    def look(self, before: RgbImage, outputs: Mapping[str, RgbImage]) -> None:
        """Take the next frame of the original and of all outputs."""
        found = self._detector.find(before, FAINT)
        faces: dict[int, _Original] = {}
        seen: dict[int, _Seen] = {}
        for track, ways in self._faces(before, found).items():
            chips = align_all(self._engine.align, before, ways)
            faces[track] = _Original(ways, self._engine.encode_chips(chips))
            seen[track] = _Seen(five_points(ways[0].landmarks), chips[0], masked=False)
            self._originals.setdefault(track, []).extend(faces[track].features)
        clear = [each.box for each in found if each.confidence > SEEN_CLEARLY]
        for name, after in outputs.items():
            told = self.told[name]
            told.frames += 1
            told.clear += len(clear)
            told.untouched += sum(is_untouched(before, after, box) for box in clear)
            self._compare(name, after, faces, seen)
        self._last = {track: (each.face, seen[track]) for track, each in faces.items()}

    def attack(self) -> None:
        """Average every track of every output, and compare."""
        for name, averages in self._averages.items():
            lasting = {track: each for track, each in averages.items() if each.frames >= LEAST_FRAMES}
            if not lasting:
                continue
            chips = np.stack(
                [np.rint(each.total / each.frames).astype(np.uint8) for each in lasting.values()]
            )
            for track, features in zip(lasting, self._engine.encode_chips(chips), strict=True):
                apart = np.linalg.norm(np.stack(self._originals[track]) - features, axis=1)
                self.told[name].averaged.append(float(apart.min()))

    def _faces(self, before: RgbImage, seen: Sequence[FoundFace]) -> dict[int, list[Face]]:
        """Return the faces that MMOD finds, as they are compared, by their tracks."""
        height, width, _ = before.shape
        boxes = [found.box.within(height, width) for found in self._engine.detect_mmod(before)]
        faces = [alignments(self._engine, before, box, seen) for box in boxes if box.width and box.height]
        tracks = list(self._last)
        known = associate([face.box for face, _ in self._last.values()], [ways[0].box for ways in faces])
        numbered = {}
        for index, ways in enumerate(faces):
            if index in known:
                numbered[tracks[known[index]]] = ways
            else:
                numbered[self.made] = ways
                self.made += 1
        return numbered

    def _compare(
        self,
        name: str,
        after: RgbImage,
        faces: Mapping[int, _Original],
        originals: Mapping[int, _Seen],
    ) -> None:
        told, averages = self.told[name], self._averages[name]
        now: dict[int, _Seen] = {}
        for track, original in faces.items():
            face, chips = original.face, align_all(self._engine.align, after, original.ways)
            apart = np.linalg.norm(self._engine.encode_chips(chips) - original.features, axis=1)
            masked = all(is_masked(after, way) for way in original.ways)
            box = face.box.within(*after.shape[:2])
            now[track] = _Seen(five_points(self._engine.face_in(after, box).landmarks), chips[0], masked)
            told.dissimilarity.append(float(apart.min()))
            told.masked.append(masked)
            told.tracks.append(track)
            if not masked:
                average = averages.setdefault(track, _Average())
                average.total += chips[0]
                average.frames += 1
            if track in self._last and track in self._last_of[name]:
                pair = self._last[track][1], originals[track], self._last_of[name][track], now[track]
                _enter_motion(told, float(max(1, face.box.width)), pair)
        self._last_of[name] = now


def _enter_motion(told: Told, width_px: float, pair: tuple[_Seen, _Seen, _Seen, _Seen]) -> None:
    """Enter how a face moved and changed from one frame to the next, in the original and in the output."""
    before, after, before_out, after_out = pair
    told.flicker.append((_difference(before, after), _difference(before_out, after_out)))
    if not (before_out.masked or after_out.masked):
        steps = [(after.points - before.points).ravel(), (after_out.points - before_out.points).ravel()]
        told.motion.append(np.stack(steps) / width_px)


def _difference(one: _Seen, other: _Seen) -> float:
    return float(np.abs(one.chip.astype(np.int64) - other.chip).mean())


def is_masked(picture: RgbImage, face: Face) -> bool:
    """Whether nothing but one flat colour is left between a face's brows and its mouth."""
    left, top = face.landmarks[17:].min(axis=0)
    right, bottom = face.landmarks[17:].max(axis=0)
    part = Box(int(left), int(top), int(right) + 1, int(bottom) + 1).within(*picture.shape[:2])
    pixels = picture[part.top : part.bottom, part.left : part.right].reshape(-1, 3).astype(np.int64)
    if not len(pixels):
        return False
    off = np.abs(pixels - np.median(pixels, axis=0)).max(axis=1)
    return bool((off <= FLAT_WITHIN).mean() >= FLAT_SHARE)


def is_untouched(before: RgbImage, after: RgbImage, box: Box) -> bool:
    """Whether a face's fine detail is the original's: what blurring takes away and a surrogate exchanges."""
    part = box.grown(-0.15).within(*before.shape[:2])
    if not (part.width and part.height) or before.shape != after.shape:
        return False
    one, other = (
        _detail(picture[part.top : part.bottom, part.left : part.right]) for picture in (before, after)
    )
    scale = float(np.linalg.norm(one) * np.linalg.norm(other))
    return bool(scale > 0 and float((one * other).sum()) / scale > DETAIL_KEPT)


def _detail(part: RgbImage) -> NDArray[np.float64]:
    """Return what blurring would take away, float64 (`DETAIL_PX`, `DETAIL_PX`)."""
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (DETAIL_PX, DETAIL_PX), interpolation=cv2.INTER_AREA).astype(np.float64)
    return np.asarray(small - cv2.GaussianBlur(small, (0, 0), 1.5))
