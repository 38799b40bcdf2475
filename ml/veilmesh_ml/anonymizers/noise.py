"""Gaussian noise over the whole face, drawn from a key that is thrown away."""

import hashlib
from typing import Final

import numpy as np

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, repaint, require
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import derive, gaussian, key_or_fresh
from veilmesh_ml.regions import face_region


class Noise:
    """Add noise of standard deviation `sigma` (1 = a channel's whole range) to the face grown by `grow`.

    Who knows the key can subtract most of the noise; without one given, a fresh one is used and forgotten.
    """

    name: Final = "noise"
    attempts: Final = 3

    def __init__(self, sigma: float = 0.8, grow: float = 0.15, key: bytes | None = None) -> None:
        """Sigma: 0.01 to 10. Grow: 0 to 1. Key: 32 bytes."""
        require(0.01 <= sigma <= 10, f"sigma {sigma} is not within 0.01 and 10")
        require(0 <= grow <= 1, f"grow {grow} is not within 0 and 1")
        self.sigma, self.grow, self._key = sigma, grow, key_or_fresh(key)

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:
        """Every further attempt adds noise twice as strong, over one more `grow`."""
        sigma, grow = self.sigma * 2**attempt, self.grow * (attempt + 1)
        salt = hashlib.sha256(image.tobytes()).digest()

        def paint(window: RgbImage, _face: Face, index: int) -> RgbImage:
            drawn = gaussian(derive(self._key, "noise", attempt, index, salt=salt), window.size)
            noisy = window + 255.0 * sigma * drawn.reshape(window.shape)
            return np.asarray(np.clip(noisy, 0, 255), dtype=np.uint8)

        changed_image, areas = repaint(
            image, faces, lambda shape, face: face_region(shape, face, grow), paint
        )
        return AnonymizedImage(changed_image, self.name, {"sigma": sigma, "grow": grow}, areas)
