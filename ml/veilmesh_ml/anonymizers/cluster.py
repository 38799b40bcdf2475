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

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage
from veilmesh_ml.anonymizers.replacing import replace_faces
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import key_or_fresh
from veilmesh_ml.surrogate.bank import Bank
from veilmesh_ml.surrogate.choice import DRAWN_FROM, choose
from veilmesh_ml.surrogate.points import Points
from veilmesh_ml.surrogate.replacement import Setting, lay_over, read_face
from veilmesh_ml.weights import shipped_bank

MARGIN: Final = 0.35  # around the points, in widths of the face: so far the warp of a jaw reaches


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

        def replace(_number: int, window: RgbImage, landmarks: Points, key: bytes) -> RgbImage:
            reading = read_face(window, landmarks, self._bank)
            donor = self._bank.donor(choose(self._bank, reading, setting.suitable, key, draw))
            return lay_over(window, landmarks, donor, self._bank, setting, key=key)

        replaced = replace_faces(image, faces, replace, key=self._key, method=self.name, margin=MARGIN)
        return replaced.by(
            self.name,
            {
                "mode": str(self.mode),
                "setting": place,
                "draw": draw,
                "bank": self._bank.digest,
            },
        )
