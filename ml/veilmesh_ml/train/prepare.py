"""Prepares photos for a training: find the faces, put them on the canvas, find their donors and peers, pack.

1. find the middle face of every photo, its landmarks and features; they are kept in a `FaceStore`, so that a
   preparation that was stopped goes on. Photos that are broken or show no face are counted and left out;
2. cut the face out with hair and background, upright, 128 x 128 px (`inpainting.canvas`);
3. read its attributes as the anonymizer `cluster` does, and with them find donors that suit it and are not
   like it, and peers: faces of others who look to be of the same age, gender, group and light;
4. choose the WebP quality at which all fits into `LARGEST_FILE_BYTES`, and write one file.

A folder whose folders are named as FER2013's seven classes is taken for expressions, not for people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmesh_ml.engine import Engine
from veilmesh_ml.errors import ImageError, ModelError
from veilmesh_ml.expressions import EXPRESSIONS
from veilmesh_ml.image import read_image
from veilmesh_ml.inpainting.canvas import onto_canvas
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.surrogate.attributes import Reading
from veilmesh_ml.surrogate.bank import Bank
from veilmesh_ml.surrogate.choice import IMPORTANCE, choose
from veilmesh_ml.surrogate.points import with_forehead
from veilmesh_ml.surrogate.shape import aligned
from veilmesh_ml.train.packed import (
    DONORS,
    PEERS,
    Packed,
    PackedExpressions,
    PackedFaces,
    PackedSurrogates,
    compress,
    encode_packed,
)
from veilmesh_ml.train.photo_folder import SUFFIXES, FaceStore, FoundFace, Photo, data_digest, photos_of

LARGEST_FILE_BYTES: Final = 45_000_000
MIN_FACES: Final = 64
MIN_PEOPLE: Final = 2 * PEERS
_SUITABLE: Final = 40  # as the anonymizer's mode `natural`
_QUALITIES: Final = (92, 88, 84, 80, 76, 72, 68, 64, 60, 55, 50, 45, 40, 30, 20)
_TEXTURE_QUALITY: Final = 85
_EXPRESSION_QUALITY: Final = 80
_SAMPLED: Final = 300  # pictures that the quality is chosen on
_DRAWN_WITH: Final = bytes(32)  # the key: which donors are kept is no secret

Progress = Callable[[str, int, int], None]  # stage, done, in all


@dataclass(frozen=True, slots=True)
class Selection:
    """Which people go in: first and last initial, upper case, of all of them and of those held out."""

    initials: tuple[str, str] = ("A", "Z")
    held_out: tuple[str, str] = ("P", "R")


def prepare(
    folders: Sequence[Path],
    selection: Selection,
    store: FaceStore,
    engine: Engine,
    *,
    bank: Bank,
    progress: Progress = lambda _stage, _done, _all: None,
) -> Packed:
    """Return what is to be written.

    Raises:
        ParameterError: there is no photo.
        ModelError: too few faces, or too few people.
    """
    of_expressions = [folder for folder in folders if shows_expressions(folder)]
    of_people = [folder for folder in folders if folder not in of_expressions]
    expressions, described = _expressions(of_expressions, progress) if of_expressions else (None, {})
    if not of_people:
        return Packed({"expressions": described}, expressions=expressions)
    photos = photos_of(of_people, selection.initials)
    found, counts = _find(photos, store, engine, progress)
    faces, canvases = _faces(found, selection, bank, progress)
    surrogates = PackedSurrogates(
        [compress(texture, _TEXTURE_QUALITY) for texture in bank.textures],
        bank.shapes,
        bank.frame.mean_shape,
        bank.shape_model,
    )
    described = {
        **({"expressions": described} if described else {}),
        **counts,
        "people": int(faces.people.max()) + 1,
        "held_out_faces": int(faces.held_out.sum()),
        "initials": "-".join(selection.initials),
        "held_out": "-".join(selection.held_out),
        "photos_sha256": data_digest(photos),
        "bank_sha256": bank.digest,
    }
    numbers = len(encode_packed(Packed(described, faces, surrogates, expressions)))
    quality = fitting_quality(canvases, LARGEST_FILE_BYTES - numbers)
    pictures = []
    for canvas in canvases:
        pictures.append(compress(canvas, quality))
        progress("pack", len(pictures), len(canvases))
    return Packed({**described, "webp_quality": quality}, _with(faces, pictures), surrogates, expressions)


def shows_expressions(folder: Path) -> bool:
    """Whether a folder's folders are classes of expressions."""
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    return bool(names) and names <= set(EXPRESSIONS)


def fitting_quality(canvases: NDArray[np.uint8], room_bytes: int) -> int:
    """Return the best WebP quality at which these pictures fit.

    Raises:
        ModelError: none.
    """
    sampled = canvases[:: max(1, len(canvases) // _SAMPLED)]
    for quality in _QUALITIES:
        each = np.mean([len(compress(canvas, quality)) for canvas in sampled])
        if each * len(canvases) * 1.01 < room_bytes:
            return quality
    raise ModelError(
        f"{len(canvases)} faces do not fit into {LARGEST_FILE_BYTES / 1e6:.0f} MB", hint="give fewer photos"
    )


def _find(
    photos: Sequence[Photo], store: FaceStore, engine: Engine, progress: Progress
) -> tuple[list[tuple[Photo, FoundFace]], dict[str, int]]:
    found, broken = [], 0
    for done, photo in enumerate(photos, start=1):
        face = store.find(photo, engine)
        if face is not None:
            found.append((photo, face))
        elif not _readable(photo.path):
            broken += 1
        if done % 100 == 0:
            store.save()
        progress("find", done, len(photos))
    people = len({photo.person for photo, _ in found})
    counts = {
        "photos": len(photos),
        "broken": broken,
        "without_face": len(photos) - len(found) - broken,
        "faces": len(found),
    }
    if len(found) < MIN_FACES or people < MIN_PEOPLE:
        raise ModelError(
            f"{len(found)} faces of {people} people in {len(photos)} photos ({broken} broken, "
            f"{counts['without_face']} without a face): at least {MIN_FACES} of {MIN_PEOPLE} are needed",
            hint="give more photos: NAME/*.jpg, or photos directly",
        )
    return found, counts


def _readable(path: Path) -> bool:
    try:
        read_image(path)
    except ImageError:
        return False
    return True


def _faces(
    found: Sequence[tuple[Photo, FoundFace]], selection: Selection, bank: Bank, progress: Progress
) -> tuple[PackedFaces, NDArray[np.uint8]]:
    people = {person: number for number, person in enumerate(sorted({photo.person for photo, _ in found}))}
    numbers = np.array([people[photo.person] for photo, _ in found], dtype=np.int32)
    canvases = np.empty((len(found), 128, 128, 3), dtype=np.uint8)
    landmarks = np.empty((len(found), 68, 2), dtype=np.float32)
    donors = np.empty((len(found), DONORS), dtype=np.uint16)
    readings = []
    for index, (photo, face) in enumerate(found):
        image = read_image(photo.path)
        points = face.landmarks.astype(np.float64)
        onto = onto_canvas(points, bank.frame.mean_shape)
        canvases[index] = cut_out(image, onto)
        landmarks[index] = onto.apply(points)
        reading = _read(image, points, bank)
        readings.append(reading.attributes)
        donors[index] = [choose(bank, reading, _SUITABLE, _DRAWN_WITH, draw) for draw in range(DONORS)]
        progress("cut", index + 1, len(found))
    held_out = np.array([_is_held_out(photo, selection.held_out) for photo, _ in found])
    faces = PackedFaces(
        pictures=[],
        landmarks=landmarks,
        people=numbers,
        held_out=held_out,
        labels=np.array([photo.label for photo, _ in found], dtype=np.int16),
        features=np.stack([face.features for _, face in found]).astype(np.float32),
        donors=donors,
        peers=_peers(np.stack(readings), numbers, held_out, bank),
    )
    return faces, canvases


def _is_held_out(photo: Photo, initials: tuple[str, str]) -> bool:
    named = photo.person != str(photo.path)
    return named and initials[0] <= photo.path.parent.name[:1].upper() <= initials[1]


def _read(image: NDArray[np.uint8], points: NDArray[np.float64], bank: Bank) -> Reading:
    texture = np.array(bank.frame.warp_from(with_forehead(points)).pull(image), dtype=np.uint8)
    texture[~bank.frame.face] = 0
    return bank.attribute_model.read(texture, points, aligned(points, bank.frame.mean_shape), bank.frame)


def _peers(
    attributes: NDArray[np.float64], people: NDArray[np.int32], held_out: NDArray[np.bool_], bank: Bank
) -> NDArray[np.int32]:
    """For every face the nearest faces of `PEERS` other people who are not held out, nearest first."""
    candidates = np.flatnonzero(~held_out)
    if len(np.unique(people[candidates])) <= PEERS:
        raise ModelError(
            f"too few people who are not held out: at least {PEERS + 1} are needed", hint="hold out fewer"
        )
    places = (attributes / bank.spread * IMPORTANCE).astype(np.float32)
    offered = places[candidates]
    size = np.einsum("ij,ij->i", offered, offered)
    peers = np.empty((len(places), PEERS), dtype=np.int32)
    for index, place in enumerate(places):
        apart = size - 2 * (offered @ place)  # squared, but for the face's own part
        apart[people[candidates] == people[index]] = np.inf
        peers[index] = candidates[_nearest_of_distinct(apart, people[candidates])]
    return peers


def _nearest_of_distinct(apart: NDArray[np.float32], people: NDArray[np.int32]) -> NDArray[np.intp]:
    """The `PEERS` nearest of distinct people: looked for among a few nearest, in twice as many each time."""
    few = 4 * PEERS
    while True:
        few = min(few, len(apart))
        nearest = np.argpartition(apart, few - 1)[:few]
        nearest = nearest[np.argsort(apart[nearest], kind="stable")]
        _, first = np.unique(people[nearest], return_index=True)
        chosen = nearest[np.sort(first)[:PEERS]]
        if len(chosen) == PEERS:
            return chosen
        few *= 2


def _with(faces: PackedFaces, pictures: list[bytes]) -> PackedFaces:
    return PackedFaces(
        pictures,
        faces.landmarks,
        faces.people,
        faces.held_out,
        faces.labels,
        faces.features,
        faces.donors,
        faces.peers,
    )


def _expressions(folders: Sequence[Path], progress: Progress) -> tuple[PackedExpressions, dict[str, Any]]:
    files = [
        (path, label)
        for folder in folders
        for label, name in enumerate(EXPRESSIONS)
        for path in sorted((folder / name).glob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    pictures, labels, broken = [], [], 0
    for done, (path, label) in enumerate(files, start=1):
        progress("expressions", done, len(files))
        try:
            picture = Image.fromarray(read_image(path)).convert("L").resize((48, 48), Image.Resampling.BOX)
        except ImageError:
            broken += 1
            continue
        pictures.append(compress(np.asarray(picture), _EXPRESSION_QUALITY))
        labels.append(label)
    if len(set(labels)) < len(EXPRESSIONS):
        raise ModelError(
            f"{len(labels)} photos of expressions ({broken} broken), but not of all seven",
            hint=f"fill the folders {', '.join(EXPRESSIONS)}, or leave them out",
        )
    counted = {name: labels.count(label) for label, name in enumerate(EXPRESSIONS)}
    return PackedExpressions(pictures, np.array(labels, dtype=np.uint8)), {**counted, "broken": broken}
