"""Small pictures of every track, cut out of the output: never of the input."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from av.video.frame import VideoFrame
from PIL import Image

from veilmesh_ml.face import Box
from veilmesh_ml.image import RgbImage
from veilmesh_ml.video.pixels import to_rgb
from veilmesh_ml.video.reading import VideoReader
from veilmesh_ml.video.sightings import Sightings, by_frame

SIDE_PX: Final = 128
AROUND: Final = 0.35  # of the face's box, on every side


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One.

    Attributes:
        track: whose.
        frame: where in the video, from 0.
        jpeg: the file's bytes, at most `SIDE_PX` on a side.
    """

    track: int
    frame: int
    jpeg: bytes = field(repr=False)


def thumbnails(output: Path, sightings: Mapping[int, Sightings]) -> Iterator[Thumbnail]:
    """Yield the thumbnails of a finished video, as its frames come.

    Raises:
        VideoError: it cannot be read.
    """
    wanted = by_frame(sightings)
    last = max(wanted, default=-1)
    with VideoReader(output) as reader:
        frames = (item for item in reader if isinstance(item, VideoFrame))
        for number, frame in enumerate(frames):
            if number in wanted:
                picture = to_rgb(frame, reader.orientation)
                for track, box in wanted[number]:
                    yield from _cut(picture, track, number, box)
            if number >= last:
                return


def _cut(picture: RgbImage, track: int, number: int, box: Box) -> Iterator[Thumbnail]:
    window = box.grown(AROUND).within(*picture.shape[:2])
    if not (window.width and window.height):
        return
    part = Image.fromarray(picture[window.top : window.bottom, window.left : window.right])
    part.thumbnail((SIDE_PX, SIDE_PX))
    content = io.BytesIO()
    part.save(content, format="JPEG", quality=85)
    yield Thumbnail(track, number, content.getvalue())
