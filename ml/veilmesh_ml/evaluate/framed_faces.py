"""Faces in the frame of the bank of surrogates: cut out of photos, and seen by networks of ours.

Real and generated pictures of 64 px go the same way, so that they differ by what they show alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.ppsa import SIDE_PX, textures_of
from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.measuring import central_face, instruments, read_photo
from veilmesh_ml.evaluate.trials import FIRST_JUDGED_LETTER, Photo
from veilmesh_ml.expression_reader import ExpressionReader, expression_chip
from veilmesh_ml.face import Box, Face
from veilmesh_ml.fast.engine import FastEngine
from veilmesh_ml.image import RgbImage
from veilmesh_ml.inpainting.canvas import onto_canvas
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.inpainting.framing import to_frame
from veilmesh_ml.surrogate.geometry import TEXTURE_PX
from veilmesh_ml.weights import shipped_bank

_AT_ONCE: Final = 32

Pictures = NDArray[np.uint8]  # (n, 64, 64, 3), in the frame


def judged_photos(data: Path, count: int) -> list[Photo]:
    """Return photos of people with initials S to Z, evenly chosen.

    Raises:
        ParameterError: there are none.
    """
    folder = data / "lfw" if (data / "lfw").is_dir() else data
    paths = [path for path in sorted(folder.glob("*/*.jpg")) if path.parent.name[0] >= FIRST_JUDGED_LETTER]
    if not paths:
        raise ParameterError(f"{data} holds no photos NAME/*.jpg of people with initials S to Z")
    places = np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int))
    return [Photo(paths[place].parent.name, paths[place].relative_to(data).as_posix()) for place in places]


def measure_framed(photos: Sequence[Photo]) -> Arrays:
    """Find the central faces; called in a worker.

    Returns:
        found (n,), and pictures (n, 64, 64, 3) in the frame, black where no face was found.
    """
    mean_shape = shipped_bank().frame.mean_shape
    pictures = np.zeros((len(photos), SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    found = np.zeros(len(photos), dtype=np.bool_)
    for place, photo in enumerate(photos):
        image = read_photo(photo)
        face = central_face(instruments().engine.detect(image), image)
        if face is not None:
            onto = onto_canvas(face.landmarks, mean_shape)
            canvas, landmarks = cut_out(image, onto), onto.apply(face.landmarks.astype(np.float64))
            pictures[place], found[place] = to_frame(canvas, landmarks, mean_shape, SIDE_PX), True
    return {"found": found, "pictures": pictures}


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """n pictures: dlib's features, (n, 128); how likely each expression is, (n, 7); and by what, (n, 512)."""

    encoder: NDArray[np.float64] = field(repr=False)
    likely: NDArray[np.float64] = field(repr=False)
    expression: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Describes pictures in the frame by networks that the generator was not taught with."""

    engine: FastEngine
    expressions: ExpressionReader

    @classmethod
    def load(cls) -> "Judge":
        """Load both networks.

        Raises:
            ModelError: one is missing or altered.
        """
        return cls(FastEngine(), ExpressionReader())

    def describe(self, pictures: Pictures) -> Described:
        """Return what they see."""
        mean = shipped_bank().frame.mean_shape[:68]
        grey = np.stack([expression_chip(enlarged(picture), mean) for picture in pictures])
        parts = [
            self.expressions.read_and_describe(grey[start : start + _AT_ONCE])
            for start in range(0, len(grey), _AT_ONCE)
        ]
        likely, expression = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Described(encode_framed(self.engine, pictures), likely, expression)


def encode_framed(engine: Engine, pictures: Pictures) -> Features:
    """Return the engine's features of faces in the frame, (n, 128)."""
    mean = shipped_bank().frame.mean_shape[:68]
    face = Face(Box(0, 0, TEXTURE_PX, TEXTURE_PX), np.rint(mean).astype(np.int64), 1.0)
    parts = []
    for start in range(0, len(pictures), _AT_ONCE):
        chips = [engine.align(enlarged(picture), face) for picture in pictures[start : start + _AT_ONCE]]
        parts.append(engine.encode_chips(np.stack(chips)))
    return np.concatenate(parts)


def enlarged(picture: NDArray[np.uint8]) -> RgbImage:
    """Return a picture as the anonymizer enlarges it, uint8 (160, 160, 3)."""
    (texture,) = textures_of(picture.transpose(2, 0, 1)[np.newaxis].astype(np.float32) / 127.5 - 1)
    return texture
