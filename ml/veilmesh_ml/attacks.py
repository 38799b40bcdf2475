"""What an attacker would try on an anonymized face: each attack is a plug of the release gate.

An attack sees a face's surroundings, not the whole photo: a window around it, scaled so that the face is
at most 200 px wide (the encoder looks at 150), and where the face was. It knows no key and no original.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage

ATTACKED_FACE_PX = 200


class Attack(Protocol):
    """Tries to bring back what an anonymizer took away."""

    @property
    def name(self) -> str: ...

    def restore(self, image: RgbImage, face: Face) -> RgbImage:
        """Return a picture of the same size that may be easier to recognise.

        Args:
            image: a window of the anonymized picture, uint8 (height, width, 3) RGB.
            face: where the face lay, in this window's pixels.
        """
        ...


@dataclass(frozen=True, slots=True)
class Filter:
    """An attack that is one function of window and face width in pixels."""

    name: str
    apply: Callable[[RgbImage, float], RgbImage]

    def restore(self, image: RgbImage, face: Face) -> RgbImage:
        return self.apply(image, float(face.box.width))


def _median(image: RgbImage, face_px: float) -> RgbImage:
    """Takes out noise and speckles: median over a twentieth of the face."""
    side = max(3, 2 * round(face_px / 40) + 1)
    return np.asarray(cv2.medianBlur(image, side), dtype=np.uint8)


def _smooth(image: RgbImage, face_px: float) -> RgbImage:
    """Averages what was shuffled or noisy; also melts the edges of squares and patches."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.5, face_px / 30)), dtype=np.uint8)


def _non_local_means(image: RgbImage, _face_px: float) -> RgbImage:
    """Denoises by what looks alike elsewhere in the face, strongly, then gently (Buades et al., 2005)."""
    once = cv2.fastNlMeansDenoisingColored(image, None, 40, 40, 5, 15)
    return np.asarray(cv2.fastNlMeansDenoisingColored(once, None, 10, 10, 5, 15), dtype=np.uint8)


def _resample(image: RgbImage, face_px: float) -> RgbImage:
    """Undoes squares: down to ten pixels a face and up again with a cubic."""
    scale = min(1.0, 10 / face_px)
    height, width, _ = image.shape
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _wiener(image: RgbImage, face_px: float, blur_of_face: float) -> RgbImage:
    """Deblurs a Gaussian of `blur_of_face` face widths (Wiener filter, noise-to-signal power 1e-3)."""
    sigma = blur_of_face * face_px
    height, width, _ = image.shape
    margin = round(3 * sigma)
    padded = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_REFLECT).astype(np.float64)
    response = _gaussian_response(padded.shape[0], padded.shape[1], sigma)[:, :, np.newaxis]
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * response / (response**2 + 1e-3)
    sharp = np.fft.irfft2(spectrum, s=padded.shape[:2], axes=(0, 1))
    return np.clip(sharp[margin : margin + height, margin : margin + width], 0, 255).astype(np.uint8)


def _gaussian_response(height: int, width: int, sigma: float) -> NDArray[np.float64]:
    """Fourier transform of a Gaussian, on the grid of `rfft2`: (height, width // 2 + 1)."""
    down = np.fft.fftfreq(height)[:, np.newaxis]
    across = np.fft.rfftfreq(width)[np.newaxis, :]
    return np.asarray(np.exp(-2 * (np.pi * sigma) ** 2 * (down**2 + across**2)), dtype=np.float64)


# Each is aimed at a way of anonymizing: noise and permutation are averaged away, squares smoothed, blur
# sharpened at the two widths that people use. In order of how often each was the best on LFW.
STANDARD_ATTACKS: tuple[Attack, ...] = (
    Filter("smooth", _smooth),
    Filter("resample", _resample),
    Filter("wiener 0.05", lambda image, face_px: _wiener(image, face_px, 0.05)),
    Filter("wiener 0.15", lambda image, face_px: _wiener(image, face_px, 0.15)),
    Filter("median", _median),
    Filter("non-local means", _non_local_means),
)
