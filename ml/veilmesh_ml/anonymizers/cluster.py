"""A surrogate face from a bank of averages: nobody's face, in the person's pose, light and expression.

After k-same (Newton, Sweeney and Malin 2005): every donor is the average of at least 16 people. What this
adds: donors come from mini-batch k-means and are drawn by a key from the nearest, landmarks are
de-identified too, and the surrogate is fitted to the photo's light and grain. See `veilmesh_ml.surrogate`.

| mode | shape | jaw | hair and hats over the forehead |
|---|---|---|---|
| `natural` | the donor's, with the person's pose and expression | seven tenths donor's | kept |
| `strict` | the same, with less of the person | the donor's | covered |

Where the release gate refuses a face, other donors are drawn for it, up to `DRAWN_FROM`, and then `natural`
goes on to `strict`.

A face that cannot be replaced (landmarks too odd, too small) gets the solid mask, and `masked faces` in the
parameters says so.
"""

from enum import StrEnum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, ChangedArea, Parameter
from veilmesh_ml.anonymizers.mask import Mask
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import derive, key_or_fresh
from veilmesh_ml.regions import face_region
from veilmesh_ml.surrogate.bank import Bank
from veilmesh_ml.surrogate.choice import DRAWN_FROM
from veilmesh_ml.surrogate.points import Points, with_forehead
from veilmesh_ml.surrogate.replacement import Setting, replace_face
from veilmesh_ml.weights import shipped_bank

MIN_WIDTH_PX: Final = 16  # of the jaw
# Around the points, in widths of the face: what a step looks at, and how far the warp of a jaw reaches.
MARGIN: Final = 0.06
MARGIN_OF_JAW: Final = 0.35


class Mode(StrEnum):
    NATURAL = "natural"
    STRICT = "strict"


_STRICT: Final = Setting(caution=60.0, suitable=60, jaw=1.0, keeps_hair=False, keeps_obstacles=False)
SETTINGS: Final = {  # in the order of attempts
    Mode.NATURAL: (Setting(caution=20.0, suitable=40, jaw=0.7), _STRICT),
    Mode.STRICT: (_STRICT,),
}


class Cluster:
    """Replace every face by a donor from the bank."""

    name: Final = "cluster"

    def __init__(self, mode: str = "natural", key: bytes | None = None, bank: Bank | None = None) -> None:
        """Mode: `natural` or `strict`. Key: 32 bytes; without one, a fresh one. Bank: the shipped one.

        Raises:
            ModelError: the shipped bank is missing or altered.
        """
        try:
            self.mode = Mode(mode)
        except ValueError:
            raise ParameterError(f"mode {mode!r} is none of {', '.join(Mode)}") from None
        self._key = key_or_fresh(key)
        self._bank = shipped_bank() if bank is None else bank

    @property
    def attempts(self) -> int:
        return DRAWN_FROM * len(SETTINGS[self.mode])

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Replace the faces; equal key, picture and faces give an equal result."""
        place, draw = divmod(attempt, DRAWN_FROM)
        setting = SETTINGS[self.mode][place]
        result = image.copy()
        areas, masked = [], 0
        for face in faces:
            area = self._replace(result, face, setting, draw)
            if area is None:
                masked += 1
                solid = Mask().anonymize(result, [face])
                result, area = solid.image.copy(), solid.changed[0]
            areas.append(area)
        parameters: dict[str, Parameter] = {
            "mode": str(self.mode),
            "setting": place,
            "draw": draw,
            "bank": self._bank.digest,
        }
        if masked:
            parameters["masked faces"] = masked
        return AnonymizedImage(result, self.name, parameters, tuple(areas), face_findable=not masked)

    def _replace(self, image: RgbImage, face: Face, setting: Setting, draw: int) -> ChangedArea | None:
        """Replace one face in place; None where that does not work.

        Raises:
            RegionError: the face lies outside the picture.
        """
        face_region(image.shape, face)  # refuses what lies outside
        landmarks = face.landmarks.astype(np.float64)
        width_px = float(np.hypot(*(landmarks[16] - landmarks[0])))
        points = with_forehead(landmarks)
        if width_px < MIN_WIDTH_PX or np.ptp(points, axis=0).max() > 6 * width_px:
            return None
        window = _window(points, (MARGIN_OF_JAW if setting.jaw else MARGIN) * width_px).within(
            image.shape[0], image.shape[1]
        )
        rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
        part = np.ascontiguousarray(image[rows, columns])
        local = landmarks - (window.left, window.top)
        try:
            replaced = replace_face(part, local, self._bank, setting, self._face_key(image, face), draw=draw)
        except (cv2.error, np.linalg.LinAlgError, ValueError):
            return None  # fails closed: the caller masks the face
        differs = replaced.window != part
        changed = differs[..., 0] | differs[..., 1] | differs[..., 2]
        if not changed.any():
            return None
        image[rows, columns] = replaced.window
        return _tight(changed, window)

    def _face_key(self, image: RgbImage, face: Face) -> bytes:
        """A key for this face of this picture, from the pixels between brows and chin and where they are."""
        left, top = face.landmarks[17:].min(axis=0)
        right, bottom = face.landmarks[17:].max(axis=0)
        inner = Box(int(left), int(top), int(right), int(bottom)).within(image.shape[0], image.shape[1])
        pixels = image[inner.top : inner.bottom, inner.left : inner.right].tobytes()
        return derive(self._key, "cluster", "face", salt=face.landmarks.tobytes() + pixels)


def _window(points: Points, margin: float) -> Box:
    left, top = np.floor(points.min(axis=0) - margin).astype(int)
    right, bottom = np.ceil(points.max(axis=0) + margin).astype(int) + 1
    return Box(int(left), int(top), int(right), int(bottom))


def _tight(changed: NDArray[np.bool_], window: Box) -> ChangedArea:
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    box = Box(
        window.left + int(columns[0]),
        window.top + int(rows[0]),
        window.left + int(columns[-1]) + 1,
        window.top + int(rows[-1]) + 1,
    )
    return ChangedArea(box, int(np.count_nonzero(changed)))
