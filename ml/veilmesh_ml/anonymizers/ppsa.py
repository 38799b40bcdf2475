"""A surrogate face that a generator draws from noise: nobody's face, by PPSA-GAN (S3; see `networks.ppsa`).

Which face is drawn is chosen by coarse appearance and expression, with a key (`surrogate.latents`). What the
generator draws lies at the landmarks of the mean face, so it is laid over the person's face as a donor of
`cluster` is: in the person's pose, on de-identified landmarks, in the photo's light and grain. The bank of
`cluster` lends the frame, the attributes and the shape model.

Where the release gate refuses a face, other latents are drawn for it, and in the end less of the person stays
(`modes`).
"""

from functools import lru_cache, partial
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage
from veilmesh_ml.anonymizers.modes import Attempts
from veilmesh_ml.anonymizers.replacing import Cast, Casting, replace_faces, window_of
from veilmesh_ml.exported import ExportedNetwork
from veilmesh_ml.expression_reader import ExpressionReader, expression_chip
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import key_or_fresh
from veilmesh_ml.surrogate.bank import Donor
from veilmesh_ml.surrogate.geometry import TEXTURE_PX
from veilmesh_ml.surrogate.latents import DRAWN_FROM, LatentClusters, decode_latents
from veilmesh_ml.surrogate.points import Points
from veilmesh_ml.surrogate.replacement import REACH, lay_over, read_face
from veilmesh_ml.weights import folder, read_weights, shipped_bank

NAME: Final = "ppsa"
SIDE_PX: Final = 64  # of what is generated


class Ppsa(Cast[tuple[int, int]]):
    """Replace every face by one that the generator draws."""

    name: Final = NAME

    def __init__(self, mode: str = "natural", key: bytes | None = None, threads: int | None = None) -> None:
        """Mode: `natural` or `strict`. Key: 32 bytes; without one, a fresh one. Threads: of the networks.

        Raises:
            ModelError: shipped weights are missing, altered, or of another config.
        """
        self._attempts = Attempts.of(mode, DRAWN_FROM)
        self._casting = Casting(self.name, key_or_fresh(key))
        self._bank = shipped_bank()
        self._clusters = shipped_latents()
        self._generator = load_generator(self._clusters.latents.shape[2], threads)
        self._expressions = ExpressionReader(threads)

    @property
    def attempts(self) -> int:
        return len(self._attempts)

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Replace the faces; equal key, picture and faces give an equal result."""
        tried = self._attempts[attempt]
        donors = self._donors(image, faces, attempt)

        def replace(number: int, window: RgbImage, landmarks: Points, key: bytes) -> RgbImage:
            return lay_over(window, landmarks, donors[number], self._bank, tried.setting, key=key)

        replaced = replace_faces(image, faces, replace, casting=self._casting, margin=REACH)
        parameters = {**tried.parameters, "weights": self._generator.digest}
        return replaced.by(self.name, parameters)

    def _donors(self, image: RgbImage, faces: list[Face], attempt: int) -> dict[int, Donor]:
        """Return a generated face for each that can be replaced, all drawn at once.

        Raises:
            RegionError: a face lies outside the picture.
        """
        numbers = [number for number, face in enumerate(faces) if window_of(image, face, REACH) is not None]
        if not numbers:
            return {}
        chips = [expression_chip(image, faces[number].landmarks) for number in numbers]
        shown = self._expressions.read(np.stack(chips))
        chosen = []
        for number, expression in zip(numbers, shown, strict=True):
            face = faces[number]
            reading = read_face(image, face.landmarks.astype(np.float64), self._bank)
            key = self._casting.key_of(image, face)
            suiting = partial(self._clusters.choose, reading, expression, key, self._attempts[attempt].draw)
            chosen.append(self._casting.choose(attempt, suiting))
        latents = np.stack([self._clusters.latents[cluster, latent] for cluster, latent in chosen])
        textures = textures_of(self._generator(latents))
        return {
            number: Donor(texture, self._clusters.shapes[cluster])
            for number, texture, (cluster, _) in zip(numbers, textures, chosen, strict=True)
        }


def shipped_latents() -> LatentClusters:
    """Return what the anonymizer chooses from.

    Raises:
        ModelError: the file is missing or altered.
    """
    return _latents(str(folder()))


@lru_cache(maxsize=4)
def _latents(_folder: str) -> LatentClusters:
    return decode_latents(read_weights(NAME, "latents"), "the latents of ppsa")


def load_generator(latent: int, threads: int | None = None) -> ExportedNetwork:
    """Load the generator, which takes latents of this length.

    Raises:
        ModelError: it is missing, altered, or takes others.
    """
    generator = ExportedNetwork(NAME, threads)
    generator.require_shapes([(latent,)], [(3, SIDE_PX, SIDE_PX)])
    return generator


def textures_of(generated: NDArray[np.float32]) -> list[NDArray[np.uint8]]:
    """Return what the generator gives, [n, 3, 64, 64] from -1 to 1, as textures, uint8 (160, 160, 3)."""
    pixels = np.clip(np.rint((generated.transpose(0, 2, 3, 1) + 1) * 127.5), 0, 255).astype(np.uint8)
    return [
        np.asarray(cv2.resize(each, (TEXTURE_PX, TEXTURE_PX), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
        for each in pixels
    ]
