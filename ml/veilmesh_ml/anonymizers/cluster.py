"""A surrogate face from a bank of averages: nobody's face, in the person's pose, light and expression.

After k-same (Newton, Sweeney and Malin 2005): every donor is the average of at least 16 people. What this
adds: donors come from mini-batch k-means and are drawn by a key from the nearest, landmarks are
de-identified too, and the surrogate is fitted to the photo's light and grain. See `veilmesh_ml.surrogate`.

Where the release gate refuses a face, other donors are drawn for it, and in the end less of the person stays
(`modes`).

A face that cannot be replaced (landmarks too odd, too small) gets the solid mask, and `masked faces` in the
parameters says so.
"""

from typing import Final

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage
from veilmesh_ml.anonymizers.modes import Attempts
from veilmesh_ml.anonymizers.replacing import Cast, Casting, replace_faces
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import key_or_fresh
from veilmesh_ml.surrogate.bank import Bank
from veilmesh_ml.surrogate.choice import DRAWN_FROM, choose
from veilmesh_ml.surrogate.points import Points
from veilmesh_ml.surrogate.replacement import REACH, lay_over, read_face
from veilmesh_ml.weights import shipped_bank


class Cluster(Cast[int]):
    """Replace every face by a donor from the bank."""

    name: Final = "cluster"

    def __init__(self, mode: str = "natural", key: bytes | None = None, bank: Bank | None = None) -> None:
        """Mode: `natural` or `strict`. Key: 32 bytes; without one, a fresh one. Bank: the shipped one.

        Raises:
            ModelError: the shipped bank is missing or altered.
        """
        self._attempts = Attempts.of(mode, DRAWN_FROM)
        self._casting = Casting(self.name, key_or_fresh(key))
        self._bank = shipped_bank() if bank is None else bank

    @property
    def attempts(self) -> int:
        return len(self._attempts)

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Replace the faces; equal key, picture and faces give an equal result."""
        tried = self._attempts[attempt]

        def replace(_number: int, window: RgbImage, landmarks: Points, key: bytes) -> RgbImage:
            def suiting() -> int:
                reading = read_face(window, landmarks, self._bank)
                return choose(self._bank, reading, tried.setting.suitable, key, tried.draw)

            donor = self._bank.donor(self._casting.choose(attempt, suiting))
            return lay_over(window, landmarks, donor, self._bank, tried.setting, key=key)

        replaced = replace_faces(image, faces, replace, casting=self._casting, margin=REACH)
        parameters = {**tried.parameters, "bank": self._bank.digest}
        return replaced.by(self.name, parameters)
