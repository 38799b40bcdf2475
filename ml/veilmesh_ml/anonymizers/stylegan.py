"""A surrogate face that the style-based GAN drew: nobody's face (S1; see `synthesis`).

Faces were drawn once, and of each is known how it looks and where its landmarks lie (`synthesis.drawn`). One
that suits a face and is not like it is chosen with a key, drawn again from its styles, brought to the bank's
frame by its landmarks, and laid over the face as a donor of `cluster` is: in the person's pose, on
de-identified landmarks, in the photo's light and grain. The bank of `cluster` lends the frame, the
attributes and the shape model.

Where the release gate refuses a face, others are drawn for it, and in the end less of the person stays
(`modes`).
"""

from typing import Final

import numpy as np

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage
from veilmesh_ml.anonymizers.modes import Attempts
from veilmesh_ml.anonymizers.replacing import Cast, Casting, replace_faces
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import key_or_fresh
from veilmesh_ml.surrogate.bank import Bank, Donor
from veilmesh_ml.surrogate.choice import DRAWN_FROM, choose
from veilmesh_ml.surrogate.points import Points, with_forehead
from veilmesh_ml.surrogate.replacement import REACH, lay_over, read_face
from veilmesh_ml.surrogate.shape import aligned
from veilmesh_ml.synthesis.drawn import DrawnFaces, decode_drawn, grain_of
from veilmesh_ml.synthesis.frame import FACE_PX
from veilmesh_ml.synthesis.onlooker import ENLARGED_PX, enlarged
from veilmesh_ml.synthesis.style_gan import STYLES, StyleGan
from veilmesh_ml.weights import read_weights, shipped_bank

NAME: Final = "stylegan"


class Stylegan(Cast[Donor]):
    """Replace every face by one that was drawn."""

    name: Final = NAME

    def __init__(self, mode: str = "natural", key: bytes | None = None, threads: int | None = None) -> None:
        """Mode: `natural` or `strict`. Key: 32 bytes; without one, a fresh one. Threads: of the networks.

        Raises:
            ModelError: shipped weights are missing or altered.
        """
        self._attempts = Attempts.of(mode, DRAWN_FROM)
        self._casting = Casting(self.name, key_or_fresh(key))
        self._bank = shipped_bank()
        self._gan = StyleGan(threads)
        self._drawn = decode_drawn(read_weights(NAME, "drawn"), "the drawn faces of stylegan")

    @property
    def attempts(self) -> int:
        return len(self._attempts)

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Replace the faces; equal key, picture and faces give an equal result."""
        tried = self._attempts[attempt]

        def replace(_number: int, window: RgbImage, landmarks: Points, key: bytes) -> RgbImage:
            def suiting() -> Donor:
                reading = read_face(window, landmarks, self._bank)
                chosen = choose(self._drawn, reading, tried.setting.suitable, key, tried.draw)
                return donor_of(self._gan, self._drawn, chosen, self._bank)

            donor = self._casting.choose(attempt, suiting)
            return lay_over(window, landmarks, donor, self._bank, tried.setting, key=key)

        replaced = replace_faces(image, faces, replace, casting=self._casting, margin=REACH)
        parameters = {**tried.parameters, "weights": self._gan.digest}
        return replaced.by(self.name, parameters)


def donor_of(gan: StyleGan, drawn: DrawnFaces, index: int, bank: Bank) -> Donor:
    """Draw a face again and bring it to the bank's frame."""
    grain = grain_of(drawn.seed, int(drawn.numbers[index]))
    styles = np.repeat(drawn.styles[index : index + 1], STYLES, axis=0)
    (face,) = gan.faces(styles[np.newaxis], grain[np.newaxis])
    landmarks = (drawn.landmarks[index] + 0.5) * (ENLARGED_PX / FACE_PX) - 0.5
    texture = bank.frame.warp_from(with_forehead(landmarks)).pull(enlarged(face))
    return Donor(np.asarray(texture, dtype=np.uint8), aligned(landmarks, bank.frame.mean_shape))
