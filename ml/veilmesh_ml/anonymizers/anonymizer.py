"""What every anonymizer takes and gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from veilmesh_ml.errors import ParameterError
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage

if TYPE_CHECKING:
    from veilmesh_ml.anonymizers.recovery import Recovery
    from veilmesh_ml.regions import Region

Parameter = int | float | str


@dataclass(frozen=True, slots=True)
class ChangedArea:
    """Where one face was changed: the window and how many of its pixels belong to the region."""

    window: Box
    pixels: int


@dataclass(frozen=True, slots=True, eq=False)
class AnonymizedImage:
    """A picture with its faces anonymized.

    Attributes:
        image: uint8 (height, width, 3) RGB.
        method: the anonymizer's name.
        parameters: what it ran with, without keys: fit for a receipt.
        changed: one area per face, in the faces' order.
        face_findable: whether the method promises that a detector still finds a face here; the gate holds
            it to that.
        recovery: what the key's owner needs to undo it; None where nobody can.
    """

    image: RgbImage = field(repr=False)
    method: str
    parameters: Mapping[str, Parameter]
    changed: tuple[ChangedArea, ...]
    face_findable: bool = False
    recovery: "Recovery | None" = field(default=None, repr=False)


class Anonymizer(Protocol):
    """Changes the faces it is given and leaves every other pixel alone."""

    @property
    def name(self) -> str: ...

    @property
    def attempts(self) -> int:
        """How many attempts differ: 0 is as its parameters say, each further one hides more."""
        ...

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Anonymize these faces.

        Args:
            image: uint8 (height, width, 3) RGB; not changed.
            faces: found in this very picture.
            attempt: 0 to `attempts` - 1; what the release gate refused is tried again with the next.

        Raises:
            RegionError: a face has no pixel inside the picture.
        """
        ...


@runtime_checkable
class Recasting(Anonymizer, Protocol):
    """Lays another face over a face, and can keep to one: what a person in a video needs."""

    def for_person(self, key: bytes) -> Anonymizer:
        """Return the same method for one person alone.

        Every attempt's surrogate is chosen for the first face that is given, and kept for all that follow.

        Args:
            key: 32 bytes, of this person alone.
        """
        ...

    @property
    def chosen(self) -> dict[int, Any]:
        """The person's surrogates so far, by attempt: numbers, arrays, and dataclasses of these."""
        ...

    def choose_again(self, chosen: Mapping[int, Any]) -> None:
        """Keep to these: they were `chosen` before."""
        ...


def repaint(
    image: RgbImage,
    faces: list[Face],
    region_of: "Callable[[tuple[int, ...], Face], Region]",
    paint: "Callable[[RgbImage, Face, int], RgbImage]",
) -> tuple[RgbImage, tuple[ChangedArea, ...]]:
    """Replace every face's region by what `paint` makes of its window, one face after the other.

    Args:
        image: uint8 (height, width, 3).
        faces: whose regions.
        region_of: picture's shape and face to region.
        paint: window (h, w, 3), face and its index to a window of the same shape.

    Returns:
        The new picture and one changed area per face.
    """
    result = image.copy()
    areas = []
    for index, face in enumerate(faces):
        region = region_of(image.shape, face)
        window = result[region.rows_and_columns]
        window[region.mask] = paint(window.copy(), face, index)[region.mask]
        areas.append(ChangedArea(region.window, region.pixels))
    return result, tuple(areas)


def face_width_px(face: Face) -> float:
    """Width of the jaw, the measure that strengths are given in."""
    return max(1.0, float(np.ptp(face.landmarks[:17, 0])))


def require(condition: bool, message: str) -> None:
    """Raise ParameterError where a parameter is out of range."""
    if not condition:
        raise ParameterError(message)
