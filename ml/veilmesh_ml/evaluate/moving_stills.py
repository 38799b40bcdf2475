"""Clips made of single photos: the camera pans, zooms and turns, and the light changes; by a seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import cos, pi, sin
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from veilmesh_ml.evaluate.groups import labelled_photos
from veilmesh_ml.image import RgbImage, read_image

SIDE_PX: Final = 320
FRAMES: Final = 24
RATE: Final = 24  # a second
PAN: Final = 0.08  # of the picture, to either side
TURN_DEGREES: Final = 12.0
LIGHT: Final = 0.35  # how much darker or brighter than the photo, at most
CRF: Final = 18


@dataclass(frozen=True, slots=True)
class Still:
    """A photo that is to move.

    Attributes:
        name: of the clip.
        path: of the photo.
        zoom: how large the photo is shown, least and most, in sides of the clip.
    """

    name: str
    path: Path
    zoom: tuple[float, float]


def choose_stills(data: Path, count: int, initials: tuple[str, str]) -> list[Still]:
    """Return photos of so many people of LFW with these initials, and as many of UTKFace, evenly chosen.

    Args:
        data: has lfw/NAME/NAME_0001.jpg, utkface_train/*.jpg, or one of them.
        count: of each.
        initials: first and last.
    """
    people = sorted(
        folder for folder in (data / "lfw").glob("*") if initials[0] <= folder.name[:1].upper() <= initials[1]
    )
    named = [folder / f"{folder.name}_0001.jpg" for folder in people]
    folder = data / "utkface_train"
    labelled = [folder / name for name in labelled_photos(folder)] if folder.is_dir() else []
    return [
        *(Still(path.stem, path, (1.0, 1.4)) for path in _evenly(named, count)),
        *(Still(path.stem, path, (0.6, 0.9)) for path in _evenly(labelled, count)),
    ]


def write_clip(still: Still, target: Path, seed: int) -> None:
    """Write the photo as a clip of `FRAMES` frames, H.264 in MP4."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE), options={"crf": str(CRF)})
        assert isinstance(stream, VideoStream)  # noqa: S101 (for the type checker)
        stream.width = stream.height = SIDE_PX
        stream.pix_fmt = "yuv420p"
        for picture in moved(read_image(still.path), still.zoom, seed):
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def moved(photo: RgbImage, zoom: tuple[float, float], seed: int) -> Iterator[RgbImage]:
    """Yield the clip's pictures, uint8 (`SIDE_PX`, `SIDE_PX`, 3)."""
    random = np.random.default_rng(seed)
    pace = random.uniform(0.5, 1.5, 5)  # rounds in the whole clip
    phase = random.uniform(0, 2 * pi, 5)
    middle = np.array([photo.shape[1], photo.shape[0]]) / 2
    for number in range(FRAMES):
        across, down, turn, light, nearer = np.sin(2 * pi * pace * number / FRAMES + phase)
        scale = (zoom[0] + (zoom[1] - zoom[0]) * (nearer + 1) / 2) * SIDE_PX / max(photo.shape[:2])
        angle = np.deg2rad(TURN_DEGREES) * turn
        matrix = scale * np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
        shift = SIDE_PX * (0.5 + PAN * np.array([across, down])) - matrix @ middle
        picture = cv2.warpAffine(
            photo,
            np.column_stack([matrix, shift]),
            (SIDE_PX, SIDE_PX),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        yield np.clip(picture * (1 + LIGHT * light), 0, 255).astype(np.uint8)


def _evenly(paths: Sequence[Path], count: int) -> list[Path]:
    return [paths[len(paths) * number // count] for number in range(min(count, len(paths)))]
