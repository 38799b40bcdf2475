"""The demo's people: who is enrolled, with which pictures, and who pretends to be them.

Without `--photos` there is one person, the public-domain portrait of the astronaut Eileen Collins that
scikit-image carries. Different pictures of her are honest re-photographs in software: another crop, scale,
tilt and light, and a fresh JPEG compression. They show that the pieces work together; they say nothing about
accuracy, which is measured on real photos with `--photos`.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True, slots=True)
class Retake:
    """How a picture is taken again."""

    crop: float  # share of width and height that stays, centred
    scale: float
    tilt_deg: float
    gamma: float  # < 1 is lighter
    jpeg_quality: int


RETAKES = (
    Retake(crop=1.00, scale=1.00, tilt_deg=0.0, gamma=1.00, jpeg_quality=92),
    Retake(crop=0.92, scale=0.85, tilt_deg=2.5, gamma=0.85, jpeg_quality=80),
    Retake(crop=0.88, scale=1.20, tilt_deg=-2.0, gamma=1.15, jpeg_quality=75),
    Retake(crop=0.85, scale=1.00, tilt_deg=3.0, gamma=0.75, jpeg_quality=70),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with at least two pictures: the first enrols, the others are probes."""

    name: str
    pictures: Sequence[Path]


class PhotosError(ValueError):
    """The folder given with --photos is not NAME/*.jpg with two pictures of somebody."""


def portrait(folder: Path) -> Person:
    """Write the astronaut's portrait and its retakes into `folder`."""
    from PIL import Image
    from skimage.data import astronaut

    folder.mkdir(parents=True, exist_ok=True)
    original = Image.fromarray(astronaut())  # type: ignore[no-untyped-call]  # no annotations
    pictures = []
    for number, retake in enumerate(RETAKES, start=1):
        path = folder / f"portrait_{number}.jpg"
        path.write_bytes(_take_again(original, retake))
        pictures.append(path)
    return Person(name="astronaut", pictures=pictures)


def people_of(photos: Path, limit: int) -> list[Person]:
    """Return the first `limit` people, by name, of a folder `NAME/*.jpg` who have two pictures or more.

    Raises:
        PhotosError: no such person is in the folder.
    """
    found = []
    for folder in sorted(path for path in photos.iterdir() if path.is_dir()):
        pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
        if len(pictures) >= 2:
            found.append(Person(name=folder.name, pictures=pictures))
        if len(found) == limit:
            break
    if not found:
        raise PhotosError(f"{photos} holds no folder NAME/ with two or more pictures")
    return found


def _take_again(original: "Image.Image", retake: Retake) -> bytes:
    from PIL import Image

    width, height = original.size
    margin_x, margin_y = (1 - retake.crop) * width / 2, (1 - retake.crop) * height / 2
    picture = original.rotate(retake.tilt_deg, resample=Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
    picture = picture.crop((int(margin_x), int(margin_y), int(width - margin_x), int(height - margin_y)))
    size = (round(picture.width * retake.scale), round(picture.height * retake.scale))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    curve = [round(255 * (level / 255) ** retake.gamma) for level in range(256)]
    picture = picture.point(curve * 3)
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=retake.jpeg_quality)
    return stream.getvalue()
