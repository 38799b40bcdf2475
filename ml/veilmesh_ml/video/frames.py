"""Single frames of a video as it is shown: their digests, one after the other, and one as a picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from av.video.frame import VideoFrame

from veilmesh_ml.errors import ParameterError
from veilmesh_ml.image import RgbImage
from veilmesh_ml.video.digest import picture_sha256
from veilmesh_ml.video.pixels import to_rgb
from veilmesh_ml.video.reading import VideoReader


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """What can be told of a frame without showing it.

    Attributes:
        number: from 0.
        time_us: microseconds from the video's beginning, as its timestamps say.
        width, height: as it is shown, pixels.
        picture_sha256: hex, see `picture_sha256`.
    """

    number: int
    time_us: int
    width: int
    height: int
    picture_sha256: str


def shown_frames(path: Path) -> Iterator[ShownFrame]:
    """Yield the frames of a video, in order.

    Raises:
        VideoError: it cannot be read.
    """
    with VideoReader(path) as reader:
        tick = reader.facts.time_base
        frames = (item for item in reader if isinstance(item, VideoFrame))
        for number, frame in enumerate(frames):
            picture = to_rgb(frame, reader.orientation)
            height, width = picture.shape[:2]
            yield ShownFrame(
                number, round((frame.pts or 0) * tick * 1_000_000), width, height, picture_sha256(picture)
            )


def picture_of(path: Path, number: int) -> RgbImage:
    """Return a frame as a picture, uint8 (height, width, 3) RGB.

    Raises:
        VideoError: the video cannot be read.
        ParameterError: it has no such frame.
    """
    with VideoReader(path) as reader:
        count = 0
        for item in reader:
            if isinstance(item, VideoFrame):
                if count == number:
                    return to_rgb(item, reader.orientation)
                count += 1
    raise ParameterError(f"{path} has no frame {number}", hint=f"there are {count}, counted from 0")
