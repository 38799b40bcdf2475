"""`veilmesh synthesize`: from a seed or a photo to a folder of pictures.

Number i of a seed is the same face however many are drawn. Pictures are PNG of `FACE_PX`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from veilmesh_ml.comparison import Features
from veilmesh_ml.contact_sheet import contact_sheet
from veilmesh_ml.engine import load_engine
from veilmesh_ml.errors import ImageError
from veilmesh_ml.image import RgbImage, read_file, read_image, write_image
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.synthesis.drawn import decode_drawn
from veilmesh_ml.synthesis.frame import FACE_PX, onto_picture
from veilmesh_ml.synthesis.onlooker import features_of
from veilmesh_ml.synthesis.projection import Projector
from veilmesh_ml.synthesis.style_gan import Faces, StyleGan, face_random, noise
from veilmesh_ml.synthesis.variations import Sitter, vary
from veilmesh_ml.weights import read_weights, shipped_bank

TRUNCATION: Final = 0.7  # of the person whose variations a seed asks for
_SHEET: Final = "sheet.png"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Synthesized:
    """What was written: pictures, the sheet of all where there are any, and how they were made."""

    pictures: Sequence[Path]
    sheet: Path | None
    document: Mapping[str, Any]


def draw_faces(folder: Path, count: int, seed: int, truncation: float, progress: Progress) -> Synthesized:
    """Draw faces of nobody.

    Raises:
        ModelError: the weights are missing or altered.
        ImageError: a picture cannot be written.
    """
    gan = StyleGan()
    faces = []
    for number in range(count):
        random = face_random(seed, number)
        styles = gan.styles(random, truncation)
        faces.append(gan.faces(styles[np.newaxis], noise(random)[np.newaxis])[0])
        progress(number + 1, count)
    document = {"seed": seed, "truncation": truncation, "weights": gan.digest}
    return _written(folder, "face", faces, faces, document)


def vary_drawn(folder: Path, seed: int, count: int, progress: Progress) -> Synthesized:
    """Draw variations of the first face of a seed.

    Raises:
        ModelError, ImageError: see `draw_faces`.
    """
    gan, engine = StyleGan(), load_engine()
    random = face_random(seed, 0)
    styles = gan.styles(random, TRUNCATION)
    grain = noise(random)
    face = gan.faces(styles[np.newaxis], grain[np.newaxis])
    (features,) = features_of(engine, face)
    sitter = Sitter(styles, grain, features)
    found = vary(gan, engine, sitter, count, random=random, progress=progress)
    document = {
        "seed": seed,
        "weights": gan.digest,
        **_measured(features, found.features),
        "tried": found.tried,
    }
    return _written(folder, "variation", found.faces, [face[0], *found.faces], document)


def vary_photo(folder: Path, photo: Path, count: int, progress: Progress) -> Synthesized:
    """Draw variations of the one face in a photo. Equal photos give equal variations.

    Raises:
        ModelError, ImageError: see `draw_faces`; or the photo does not show one face.
    """
    gan, engine = StyleGan(), load_engine()
    content = read_file(photo)
    image = read_image(content)
    faces = engine.detect(image)
    if len(faces) != 1:
        raise ImageError(f"{photo} shows {len(faces)} faces, not one", hint="cut one out")
    (features,) = engine.encode(image, faces)
    bank = shipped_bank()
    picture = cut_out(image, onto_picture(faces[0].landmarks, bank.frame.mean_shape), FACE_PX)
    random = np.random.default_rng(np.frombuffer(sha256(content).digest(), dtype=np.uint32))
    grain = noise(random)
    projector = Projector(gan, decode_drawn(read_weights("stylegan", "drawn")), engine)
    projected = projector.project(picture, features, grain, random)
    nearest = gan.faces(projected.styles[np.newaxis], grain[np.newaxis])[0]
    write_image(folder / "projection.png", nearest)
    sitter = Sitter(projected.styles, grain, features)
    found = vary(gan, engine, sitter, count, random=random, progress=progress)
    document = {
        "photo": str(photo),
        "weights": gan.digest,
        "projection_dissimilarity": round(projected.dissimilarity, 4),
        **_measured(features, found.features),
        "tried": found.tried,
    }
    return _written(folder, "variation", found.faces, [picture, nearest, *found.faces], document)


def _measured(of: Features, variations: Features) -> dict[str, list[float]]:
    apart = np.linalg.norm(variations - of, axis=1)
    return {"dissimilarities": [round(float(each), 4) for each in apart]}


def _written(
    folder: Path,
    name: str,
    faces: Faces | Sequence[RgbImage],
    shown: Sequence[RgbImage],
    document: Mapping[str, Any],
) -> Synthesized:
    paths = [folder / f"{name}-{number:04d}.png" for number in range(len(faces))]
    for path, face in zip(paths, faces, strict=True):
        write_image(path, face)
    if not len(faces):
        return Synthesized(paths, None, document)
    write_image(folder / _SHEET, contact_sheet(shown))
    return Synthesized(paths, folder / _SHEET, document)
