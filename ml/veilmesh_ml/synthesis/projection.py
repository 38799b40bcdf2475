"""From a photo to the styles whose face is nearest to it, without descent and so without torch.

1. A linear guess: ridge regression, on the faces drawn once (`drawn`), of their style on their features and
   coarse pixels. Features tell who it is, coarse pixels tell pose and light.
2. A cross-entropy search from there (Rubinstein 1999): a few dozen styles are drawn about the best so far,
   their faces are encoded, and the best quarter says where to draw next.

What is made smaller is the dissimilarity of the features, plus how far the coarse pixels are off. An encoder
network would be a third one to train, ship and approve, and would still have to be refined; descent needs
torch, which a node has not.

The styles differ between coarse, middle and fine: three styles, not ten, are searched for.
"""

from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine
from veilmesh_ml.image import RgbImage
from veilmesh_ml.synthesis.drawn import DrawnFaces
from veilmesh_ml.synthesis.onlooker import features_of
from veilmesh_ml.synthesis.style_gan import COARSE, FINE, LATENT, MIDDLE, Noise, StyleGan, Styles

THUMBNAIL_PX: Final = 8
GENERATIONS: Final = 16
_DRAWN, _BEST = 32, 8  # a generation
_BANDS: Final = np.repeat([0, 1, 2], [part.stop - part.start for part in (COARSE, MIDDLE, FINE)])
_RIDGE: Final = 1.0  # of standardised numbers, times the number of faces / 100
_FIRST_SPREAD, _LEAST_SPREAD = 0.35, 0.05  # of the styles' own
_COARSE_WEIGHT: Final = 0.3  # a dissimilarity, for coarse pixels off by as much as those of two people are


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Styles, float32 (STYLES, LATENT), and the dissimilarity of their face to the photo's."""

    styles: Styles = field(repr=False)
    dissimilarity: float


class Projector:
    """Finds the styles of photos."""

    def __init__(self, gan: StyleGan, drawn: DrawnFaces, engine: Engine) -> None:
        """Fit the guess; takes a fraction of a second."""
        self.gan, self._engine = gan, engine
        known = np.concatenate([drawn.features, drawn.thumbnails], axis=1)
        self._middle, self._scale = known.mean(axis=0), known.std(axis=0) + 1e-6
        given = (known - self._middle) / self._scale
        self._mean_style, self._style_spread = drawn.styles.mean(axis=0), drawn.styles.std(axis=0) + 1e-6
        system = given.T @ given + _RIDGE * len(drawn) / 100 * np.eye(given.shape[1])
        self._guess = np.linalg.solve(system, given.T @ (drawn.styles - self._mean_style))
        self._usual_off = float(np.sqrt(2) * drawn.thumbnails.std(axis=0).mean()) + 1e-6

    def project(
        self,
        picture: RgbImage,
        features: Features,
        noise: Noise,
        random: np.random.Generator,
        generations: int = GENERATIONS,
    ) -> Projection:
        """Search for the face of a photo.

        Args:
            picture: the face as the GAN would draw it, uint8 (FACE_PX, FACE_PX, 3).
            features: of the photo itself, float64 (128,).
            noise: that the faces are to have.
            random: to search with.
            generations: 0 leaves the guess as it is.
        """
        coarse = thumbnail(picture)
        guess = ((np.concatenate([features, coarse]) - self._middle) / self._scale) @ self._guess
        centre = np.repeat((self._mean_style + guess)[np.newaxis], 3, axis=0)  # [coarse, middle, fine]
        spread = np.broadcast_to(_FIRST_SPREAD * self._style_spread, centre.shape).copy()
        best = self._judged(centre[np.newaxis], features, coarse, noise)
        for _ in range(generations):
            drawn = centre + spread * random.standard_normal((_DRAWN, 3, LATENT))
            judged = self._judged(drawn, features, coarse, noise)
            chosen = np.argsort(judged.loss, kind="stable")[:_BEST]
            centre = drawn[chosen].mean(axis=0)
            found = drawn[chosen].std(axis=0)
            spread = np.maximum(0.5 * (spread + found), _LEAST_SPREAD * self._style_spread)
            middle = self._judged(centre[np.newaxis], features, coarse, noise)
            best = min(best, judged.of(int(chosen[0])), middle, key=lambda each: float(each.loss[0]))
        return Projection(_spread_out(best.bands)[0], float(best.dissimilarity[0]))

    def _judged(
        self, bands: NDArray[np.float64], features: Features, coarse: NDArray[np.float64], noise: Noise
    ) -> "_Judged":
        styles = _spread_out(bands)
        faces = self.gan.faces(styles, np.broadcast_to(noise, (len(styles), len(noise))))
        apart = np.linalg.norm(features_of(self._engine, faces) - features, axis=1)
        off = np.array([np.abs(thumbnail(face) - coarse).mean() for face in faces]) / self._usual_off
        return _Judged(bands, apart, apart + _COARSE_WEIGHT * off)


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """Styles, (n, 3, LATENT), how far their faces are from the photo, and what is made smaller, (n,)."""

    bands: NDArray[np.float64]
    dissimilarity: NDArray[np.float64]
    loss: NDArray[np.float64]

    def of(self, index: int) -> "_Judged":
        one = slice(index, index + 1)
        return _Judged(self.bands[one], self.dissimilarity[one], self.loss[one])


def thumbnail(picture: RgbImage) -> NDArray[np.float64]:
    """Return a face's coarse pixels, (3 * THUMBNAIL_PX^2,), 0 to 255."""
    small = cv2.resize(picture, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float64).ravel()


def _spread_out(bands: NDArray[np.float64]) -> Styles:
    """From coarse, middle and fine, (n, 3, LATENT), to every style, (n, STYLES, LATENT)."""
    return np.asarray(bands[:, _BANDS], dtype=np.float32)
