"""What S4 compares its permutation with, made by this project's anonymizers where they do the same.

Source: He Yi, Shi Lei and Hernandez, "Privacy-Preserving Facial Recognition Models" (S4): sections 2.2 and
3.2, tables 2 and 3. Its CAE, a trained autoencoder of which it tells nothing, is among them where the weights
of ours ship.
"""

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from veilmesh_ml.anonymizers.superpixel import Superpixel
from veilmesh_ml.evaluate.measuring import Method
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.keystream import derive, gaussian, permutation
from veilmesh_ml.regions import face_region, key_region
from veilmesh_ml.weights import ships

_KEY = hashlib.sha256(b"veilmesh evaluate permutation").digest()
FACE_GROWTH = 0.15  # as the anonymizers' default
CAE = "autoencoder (CAE)"


class Treatment(Protocol):
    """Changes a picture with one face; the same seed gives the same picture."""

    @property
    def name(self) -> str: ...

    def apply(self, image: RgbImage, face: Face, *seed: str | int) -> RgbImage: ...


@dataclass(frozen=True, slots=True)
class PermuteAlike:
    """n pixels moved as wholes: one permutation for all three channels, as S4 words it."""

    n: int

    @property
    def name(self) -> str:
        return f"permute {self.n}, channels alike"

    def apply(self, image: RgbImage, face: Face, *seed: str | int) -> RgbImage:
        region = key_region(image.shape, face, self.n)
        result = image.copy()
        window = result[region.rows_and_columns]
        pixels = window[region.mask]  # (k, 3)
        window[region.mask] = pixels[permutation(derive(_KEY, "alike", *seed), len(pixels))]
        return result


@dataclass(frozen=True, slots=True)
class NoiseEverywhere:
    """Gaussian noise over the whole picture, of standard deviation `sigma` (1 = a channel's whole range)."""

    sigma: float

    @property
    def name(self) -> str:
        return f"noise {self.sigma:g}, whole picture"

    def apply(self, image: RgbImage, face: Face, *seed: str | int) -> RgbImage:  # noqa: ARG002 (not where it is)
        drawn = gaussian(derive(_KEY, "noise", *seed), image.size).reshape(image.shape)
        return np.asarray(np.clip(image + 255 * self.sigma * drawn, 0, 255), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class SuperpixelBySide:
    """Superpixels of about `side_px` by `side_px` pixels."""

    side_px: int

    @property
    def name(self) -> str:
        return f"superpixel {self.side_px} x {self.side_px}"

    def apply(self, image: RgbImage, face: Face, *seed: str | int) -> RgbImage:  # noqa: ARG002 (nothing is drawn)
        pixels = face_region(image.shape, face, FACE_GROWTH).pixels
        patches = min(2000, max(4, round(pixels / self.side_px**2)))
        return Superpixel(patches, FACE_GROWTH).anonymize(image, [face]).image


def permute_method(n: int) -> Method:
    """Return this project's own: each channel permuted by itself."""
    return Method(f"permute {n}", "permute", {"n": n})


BASELINES: tuple[Treatment, ...] = (
    Method("occlusion", "mask", {"grey": 0}),
    Method("noise 0.2", "noise", {"sigma": 0.2}),
    Method("noise 0.8", "noise", {"sigma": 0.8}),
    NoiseEverywhere(0.2),
    NoiseEverywhere(0.8),
    SuperpixelBySide(16),
    SuperpixelBySide(24),
    Method("blur", "blur"),
    Method("pixelate", "pixelate"),
    *((Method(CAE, "autoencoder"),) if ships("autoencoder") else ()),
)
