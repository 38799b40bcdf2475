"""What anonymizers share that lay another face over a face: windows, keys, and the mask where that fails."""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, ChangedArea, Parameter
from veilmesh_ml.anonymizers.mask import Mask
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import derive
from veilmesh_ml.regions import face_region
from veilmesh_ml.surrogate.points import Points, with_forehead

MIN_WIDTH_PX: Final = 16  # of the jaw

# The face's number, its window, its landmarks there and a key for it alone, to the window with another face.
Replace: TypeAlias = Callable[[int, RgbImage, Points, bytes], RgbImage]


Chosen = TypeVar("Chosen")


class Casting(Generic[Chosen]):
    """Which surrogate a face gets: one of its own, or, where all faces are one person's, that person's."""

    def __init__(self, method: str, key: bytes, *, one_person: bool = False) -> None:
        """Method: the anonymizer's name, part of every key. Key: 32 bytes."""
        self._method = method
        self._key = key
        self._kept: dict[int, Chosen] | None = {} if one_person else None

    def for_person(self, key: bytes) -> Self:
        """Return a casting for one person alone."""
        return type(self)(self._method, key, one_person=True)

    def key_of(self, image: RgbImage, face: Face) -> bytes:
        """Return a key for this face: of the pixels between brows and chin, and where they are.

        A person has one key, wherever the face is.
        """
        if self._kept is not None:
            return derive(self._key, self._method, "person")
        left, top = face.landmarks[17:].min(axis=0)
        right, bottom = face.landmarks[17:].max(axis=0)
        inner = Box(int(left), int(top), int(right), int(bottom)).within(image.shape[0], image.shape[1])
        pixels = image[inner.top : inner.bottom, inner.left : inner.right].tobytes()
        return derive(self._key, self._method, "face", salt=face.landmarks.tobytes() + pixels)

    def choose(self, attempt: int, choice: Callable[[], Chosen]) -> Chosen:
        """Return what `choice` returns; for a person, what it first returned for this attempt."""
        if self._kept is None:
            return choice()
        if attempt not in self._kept:
            self._kept[attempt] = choice()
        return self._kept[attempt]

    @property
    def kept(self) -> dict[int, Chosen]:
        """What was chosen for one person, by attempt; nothing where faces are anybody's."""
        return dict(self._kept or {})

    def keep(self, chosen: Mapping[int, Chosen]) -> None:
        """Choose so again for this person."""
        self._kept = dict(chosen)


class Cast(Generic[Chosen]):
    """An anonymizer that has a casting; see `Recasting`."""

    _casting: Casting[Chosen]

    @property
    def chosen(self) -> dict[int, Chosen]:
        return self._casting.kept

    def choose_again(self, chosen: Mapping[int, Chosen]) -> None:
        self._casting.keep(chosen)

    def for_person(self, key: bytes) -> Self:
        other = copy(self)
        other._casting = self._casting.for_person(key)  # noqa: SLF001 (a copy of its own)
        return other


@dataclass(frozen=True, slots=True, eq=False)
class ReplacedFaces:
    """The picture; one area per face; how many faces were masked since they could not be replaced."""

    image: RgbImage = field(repr=False)
    areas: tuple[ChangedArea, ...]
    masked: int

    def by(self, method: str, parameters: Mapping[str, Parameter]) -> AnonymizedImage:
        """Return the result of a method that promises a face to be found in all that it did not mask."""
        masked: dict[str, Parameter] = {"masked faces": self.masked} if self.masked else {}
        return AnonymizedImage(
            self.image, method, {**parameters, **masked}, self.areas, face_findable=not self.masked
        )


def replace_faces(
    image: RgbImage, faces: list[Face], replace: Replace, *, casting: Casting[Any], margin: float
) -> ReplacedFaces:
    """Replace the faces one after the other; what cannot be replaced gets the solid mask.

    Args:
        image: uint8 (height, width, 3); not changed.
        faces: found in it.
        replace: may raise cv2.error, LinAlgError or ValueError where it does not work.
        casting: of the faces' keys.
        margin: around the face's points, in widths of the face: what `replace` sees.

    Raises:
        RegionError: a face lies outside the picture.
    """
    result = image.copy()
    areas, masked = [], 0
    for number, face in enumerate(faces):
        area = _replace(result, (number, face), casting.key_of(image, face), margin, replace)
        if area is None:
            masked += 1
            solid = Mask().anonymize(result, [face])
            result, area = solid.image.copy(), solid.changed[0]
        areas.append(area)
    return ReplacedFaces(result, tuple(areas), masked)


def window_of(image: RgbImage, face: Face, margin: float) -> Box | None:
    """Return the part of the picture about a face; None where its landmarks are too odd or too close.

    Raises:
        RegionError: the face lies outside the picture.
    """
    face_region(image.shape, face)  # refuses what lies outside
    landmarks = face.landmarks.astype(np.float64)
    width_px = float(np.hypot(*(landmarks[16] - landmarks[0])))
    points = with_forehead(landmarks)
    if width_px < MIN_WIDTH_PX or np.ptp(points, axis=0).max() > 6 * width_px:
        return None
    left, top = np.floor(points.min(axis=0) - margin * width_px).astype(int)
    right, bottom = np.ceil(points.max(axis=0) + margin * width_px).astype(int) + 1
    return Box(int(left), int(top), int(right), int(bottom)).within(image.shape[0], image.shape[1])


def _replace(
    image: RgbImage, numbered: tuple[int, Face], key: bytes, margin: float, replace: Replace
) -> ChangedArea | None:
    """Replace one face in place; None where that does not work."""
    number, face = numbered
    window = window_of(image, face, margin)
    if window is None:
        return None
    rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
    part = np.ascontiguousarray(image[rows, columns])
    landmarks = face.landmarks.astype(np.float64) - (window.left, window.top)
    try:
        replaced = replace(number, part, landmarks, key)
    except (cv2.error, np.linalg.LinAlgError, ValueError):
        return None  # fails closed: the caller masks the face
    differs = replaced != part
    changed = differs[..., 0] | differs[..., 1] | differs[..., 2]
    if not changed.any():
        return None
    image[rows, columns] = replaced
    return _tight(changed, window)


def _tight(changed: NDArray[np.bool_], window: Box) -> ChangedArea:
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    box = Box(
        window.left + int(columns[0]),
        window.top + int(rows[0]),
        window.left + int(columns[-1]) + 1,
        window.top + int(rows[-1]) + 1,
    )
    return ChangedArea(box, int(np.count_nonzero(changed)))
