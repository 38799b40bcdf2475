"""A few frames of a video, anonymized, as one picture: a quick look at what will come out.

Each frame stands for itself: what is known of faces from the frames around is left out, so a face that is
half turned away may be missed here, and the surrogates are not those of the video.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from veilmesh_ml.anonymizers import load_anonymizer
from veilmesh_ml.engine import Engine
from veilmesh_ml.gate import ReleaseGate
from veilmesh_ml.image import RgbImage, write_image
from veilmesh_ml.keystream import KEY_BYTES
from veilmesh_ml.video.centerface import CenterFace
from veilmesh_ml.video.disguise import Disguises, Shot
from veilmesh_ml.video.leaving import Leaving
from veilmesh_ml.video.lookout import Lookout
from veilmesh_ml.video.pixels import to_rgb
from veilmesh_ml.video.reading import Span, VideoReader
from veilmesh_ml.video.release import VideoSettings
from veilmesh_ml.video.sources import Source
from veilmesh_ml.video.tracker import Tracker

FRAMES: Final = 6
COLUMNS: Final = 3
WIDE_PX: Final = 480  # each


def write_preview(source: Source, target: Path, engine: Engine, settings: VideoSettings) -> None:
    """Write frames that are spread evenly over a video, in the order of reading.

    Args:
        source: that can be opened again.
        target: a picture; its ending names the format.
        engine: finds faces, and judges.
        settings: how; of a span frames of that alone are taken.

    Raises:
        VideoError: it cannot be read.
        ImageError: the picture cannot be written.
    """
    frames, key = _spread(source, settings.span), secrets.token_bytes(KEY_BYTES)
    write_image(target, _tiled([_anonymized(frame, engine, settings, key) for frame in frames]))


def _spread(source: Source, span: Span) -> list[RgbImage]:
    """Return frames from the middles of as many equal parts of the span."""
    with VideoReader(source, span) as reader:
        facts = reader.facts
        length_s = facts.frames / facts.rate if facts.rate else 0.0
        middles = (span.start_s + length_s * (2 * part + 1) / (2 * FRAMES) for part in range(FRAMES))
        frames = [reader.frame_at(at_s) for at_s in middles]
        apart = {frame.pts: frame for frame in frames}
        return [to_rgb(frame, reader.orientation) for frame in apart.values()]


def _anonymized(picture: RgbImage, engine: Engine, settings: VideoSettings, key: bytes) -> RgbImage:
    """Return a frame as if it were all of the video."""
    gate = ReleaseGate(engine, threshold_dissimilarity=settings.threshold_dissimilarity, level=settings.level)
    method = load_anonymizer(settings.method, **settings.parameters)
    disguises = Disguises(gate, [method], key)
    leaving = Leaving(settings.choice, engine, settings.threshold_dissimilarity, disguises.records)
    tracker = Tracker(Lookout(engine, CenterFace.load()))
    tracker.add(picture)
    tracker.end()
    shot = Shot(0, picture, {track.number: place for track, place in tracker.take()})
    (settled,) = disguises.settle(leaving.remaining([shot]), lambda _: ())
    return settled.picture


def _tiled(pictures: Sequence[RgbImage]) -> RgbImage:
    """Lay pictures of one size side by side, `COLUMNS` in a row."""
    height, width = pictures[0].shape[:2]
    scale = min(1.0, WIDE_PX / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = np.zeros((rows * size[1], columns * size[0], 3), dtype=np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * size[1], number % columns * size[0]
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        sheet[top : top + size[1], left : left + size[0]] = small
    return sheet
