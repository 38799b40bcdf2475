"""Draws the faces that projecting a photo and the anonymizer `stylegan` start from (see `synthesis.drawn`).

Left out are pictures in which no detector finds a face, and faces that the encoder takes for somebody of the
training: a generator may know a face by heart. Needs no torch: the networks run as they ship.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine, align_all
from veilmesh_ml.errors import ModelError
from veilmesh_ml.surrogate.attributes import Reading
from veilmesh_ml.surrogate.bank import Bank
from veilmesh_ml.surrogate.replacement import read_face
from veilmesh_ml.synthesis.drawn import LEAST, DrawnFaces, grain_of
from veilmesh_ml.synthesis.frame import FACE_PX
from veilmesh_ml.synthesis.onlooker import ENLARGED_PX, enlarged
from veilmesh_ml.synthesis.projection import thumbnail
from veilmesh_ml.synthesis.style_gan import StyleGan, face_random

TRUNCATION: Final = 0.85
NOBODY: Final = 0.45  # dissimilarity to everybody of the training; policies decide at about 0.53
_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The faces kept; how many were left out since no face was found, and since they are like somebody."""

    faces: DrawnFaces
    without_a_face: int
    like_somebody: int


def draw(
    gan: StyleGan,
    engine: Engine,
    bank: Bank,
    people: NDArray[np.float32],
    *,
    count: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> Made:
    """Draw faces; equal arguments give equal ones.

    Args:
        gan: draws.
        engine: finds and encodes.
        bank: of the frame and the attribute model.
        people: features of those the generator learnt from, (n, 128).
        count: faces to draw.
        seed: of drawing.
        progress: called with the faces drawn, and how many there are.

    Raises:
        ModelError: too few are left.
    """
    found: list[_Seen] = []
    for start in range(0, count, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, count))
        found += _seen(gan, engine, bank, numbers, seed)
        progress(numbers.stop, count)
    kept = [each for each in found if _nearest(each.features, people) > NOBODY]
    if len(kept) < LEAST:
        raise ModelError(
            f"of {count} drawn faces {len(kept)} can be used, too few", hint="train longer, or draw more"
        )
    attributes = np.stack([each.reading.attributes for each in kept])
    faces = DrawnFaces(
        styles=np.stack([each.style for each in kept]),
        numbers=np.array([each.number for each in kept]),
        seed=seed,
        landmarks=np.stack([each.landmarks for each in kept]),
        features=np.stack([each.features for each in kept]),
        thumbnails=np.stack([each.thumbnail for each in kept]),
        attributes=attributes,
        likenesses=np.stack([each.reading.likeness for each in kept]),
        spread=attributes.std(axis=0) + 1e-6,
    )
    return Made(faces, count - len(found), len(found) - len(kept))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """One face; see `DrawnFaces`."""

    number: int
    style: NDArray[np.float32]
    landmarks: NDArray[np.float64]
    thumbnail: NDArray[np.float64]
    reading: Reading
    features: Features


def _seen(gan: StyleGan, engine: Engine, bank: Bank, numbers: range, seed: int) -> list[_Seen]:
    """Return those in which a face is found."""
    randoms = [face_random(seed, number) for number in numbers]
    styles = np.stack([gan.styles(random, TRUNCATION) for random in randoms])
    styles = styles.astype(np.float16).astype(np.float32)  # as the file keeps them
    faces = gan.faces(styles, np.stack([grain_of(seed, number) for number in numbers]))
    seen = []
    for number, style, face in zip(numbers, styles[:, 0], faces, strict=True):
        picture = enlarged(face)
        detected = engine.detect(picture)
        if not detected:
            continue
        landmarks = detected[0].landmarks.astype(np.float64)
        reading = read_face(picture, landmarks, bank)
        (features,) = engine.encode_chips(align_all(engine.align, picture, detected[:1]))
        small = (landmarks + 0.5) * (FACE_PX / ENLARGED_PX) - 0.5
        seen.append(_Seen(number, style, small, thumbnail(face), reading, features))
    return seen


def _nearest(features: Features, people: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(people - features, axis=1).min())
