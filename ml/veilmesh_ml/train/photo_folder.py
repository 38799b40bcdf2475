"""Finds the faces in folders of photos, and remembers them, so that a run that was stopped goes on.

A folder holds `NAME/*.jpg`, one folder per person, or photos directly, and then every photo counts as another
person. A file name like UTKFace's, `AGE_GENDER_GROUP_....jpg`, is a label.
"""

import hashlib
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.engine import Engine
from veilmesh_ml.errors import ImageError, ModelError, ParameterError
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage, read_image
from veilmesh_ml.surrogate.attributes import GROUPS
from veilmesh_ml.surrogate.frame import Frame, mean_frame
from veilmesh_ml.surrogate.points import with_forehead
from veilmesh_ml.train.faces import NO_LABEL, TrainingFaces

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})
_LABEL = re.compile(r"(\d{1,3})_([01])_([0-4])_")

Progress = Callable[[int, int], None]  # photos done, photos in all


@dataclass(frozen=True, slots=True)
class Photo:
    path: Path
    person: str
    label: tuple[int, int, int]  # age, woman, group; `NO_LABEL` each where nobody said


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """The middle face of a photo: landmarks int64 (68, 2), features float64 (128,), the photo's size."""

    landmarks: NDArray[np.int64] = field(repr=False)
    features: NDArray[np.float64] = field(repr=False)
    size: tuple[int, int]


class FaceStore:
    """Remembers every photo's face in one SQLite file; a photo that changed is looked at again."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS face (photo TEXT PRIMARY KEY, landmarks BLOB, features BLOB, "
            "height INTEGER, width INTEGER)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.commit()
        self._database.close()

    def find(self, photo: Photo, engine: Engine) -> FoundFace | None:
        """Return the photo's middle face, None where there is none or it is no picture."""
        state = photo.path.stat()
        name = f"{engine.model_digest}:{photo.path.resolve()}:{state.st_size}:{state.st_mtime_ns}"
        known = self._database.execute(
            "SELECT landmarks, features, height, width FROM face WHERE photo = ?", (name,)
        ).fetchone()
        if known is None:
            known = _look(photo.path, engine)
            self._database.execute("INSERT INTO face VALUES (?, ?, ?, ?, ?)", (name, *known))
        if known[0] is None:
            return None
        landmarks = np.frombuffer(known[0], dtype="<i8").reshape(68, 2).astype(np.int64)
        features = np.frombuffer(known[1], dtype="<f8").astype(np.float64)
        return FoundFace(landmarks, features, (known[2], known[3]))

    def save(self) -> None:
        self._database.commit()


def photos_of(folders: Sequence[Path], initials: tuple[str, str] = ("", "\uffff")) -> list[Photo]:
    """Return the photos of these folders, in the order of their paths.

    Args:
        folders: see the module.
        initials: first and last initial, upper case, of the people that are taken from folders `NAME/`; the
            others are left for judging.

    Raises:
        ParameterError: there is no photo.
    """
    found = []
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
            named = path.parent != folder
            if named and not initials[0] <= path.parent.name[:1].upper() <= initials[1]:
                continue
            person = f"{folder}/{path.parent.name}" if named else str(path)
            found.append(Photo(path, person, _label(path.name)))
    if not found:
        raise ParameterError(
            f"no photo in {', '.join(map(str, folders))}", hint="NAME/*.jpg, or photos directly"
        )
    return found


def data_digest(photos: Sequence[Photo]) -> str:
    """SHA-256 (hex) over the SHA-256 of every photo's file, sorted: which photos, wherever they lie."""
    digests = sorted(hashlib.sha256(photo.path.read_bytes()).digest() for photo in photos)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def read_faces(
    photos: Sequence[Photo], store: FaceStore, engine: Engine, progress: Progress = lambda _done, _all: None
) -> tuple[TrainingFaces, Frame]:
    """Return the faces of these photos and their frame.

    Raises:
        ModelError: no face was found in any.
    """
    found = []
    for done, photo in enumerate(photos, start=1):
        face = store.find(photo, engine)
        if face is not None:
            found.append((photo, face))
        if done % 100 == 0:
            store.save()
        progress(done, len(photos))
    if not found:
        raise ModelError("no face was found in any photo")
    people = {person: number for number, person in enumerate(sorted({photo.person for photo, _ in found}))}
    landmarks = np.stack([face.landmarks for _, face in found])
    numbers = np.array([people[photo.person] for photo, _ in found])
    _, first = np.unique(numbers, return_index=True)
    frame = mean_frame(landmarks[first])
    faces = TrainingFaces(
        textures=np.stack([_texture(photo.path, face, frame) for photo, face in found]),
        landmarks=landmarks,
        sizes=np.array([face.size for _, face in found]),
        people=numbers,
        features=np.stack([face.features for _, face in found]),
        labels=np.array([photo.label for photo, _ in found]),
    )
    return faces, frame


def _look(path: Path, engine: Engine) -> tuple[bytes | None, bytes | None, int, int]:
    try:
        image = read_image(path)
    except ImageError:
        return None, None, 0, 0
    faces = engine.detect(image)
    height, width = image.shape[:2]
    if not faces:
        return None, None, height, width
    face = min(faces, key=lambda found: _from_middle(found, height, width))
    features = engine.encode(image, [face])[0]
    return face.landmarks.astype("<i8").tobytes(), features.astype("<f8").tobytes(), height, width


def _from_middle(face: Face, height: int, width: int) -> float:
    across = (face.box.left + face.box.right - width) / 2
    down = (face.box.top + face.box.bottom - height) / 2
    return float(np.hypot(across, down))


def _texture(path: Path, face: FoundFace, frame: Frame) -> RgbImage:
    texture = np.array(frame.warp_from(with_forehead(face.landmarks)).pull(read_image(path)), dtype=np.uint8)
    texture[~frame.face] = 0
    return texture


def _label(name: str) -> tuple[int, int, int]:
    match = _LABEL.match(name)
    if match is None:
        return NO_LABEL, NO_LABEL, NO_LABEL
    age, gender, group = (int(part) for part in match.groups())
    return age, gender, min(group, len(GROUPS) - 1)
