"""What an attacker would try on an anonymized face: each attack is a plug of the release gate.

An attack sees a face and what is around it, or the face alone, cut out and turned upright, and knows how wide
the face is there. It knows no key and no original.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.image import RgbImage

ATTACKED_FACE_PX: Final = 100  # wide, as in the encoder's chip: more it does not look at
NOISE_TO_SIGNAL: Final = 1e-3


class Attack(Protocol):
    """Tries to bring back what an anonymizer took away."""

    @property
    def name(self) -> str: ...

    @property
    def looks_again(self) -> bool:
        """Whether to look for the landmarks anew in what it restored, besides trusting the original's."""
        ...

    @property
    def nearer(self) -> float:
        """How much nearer it brings everybody, strangers too, in dlib's dissimilarity.

        The gate's limit is lower by that, so that it refuses equally few pictures of strangers after each
        attack.
        """
        ...

    def restore(self, image: RgbImage, face_px: float) -> RgbImage:
        """Return a picture of the same size that may be easier to recognise.

        Args:
            image: a window of the anonymized picture, or the aligned face, uint8 (height, width, 3) RGB.
            face_px: how wide the face is in it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Filter:
    """An attack that is one function of picture and face width in pixels."""

    name: str
    apply: Callable[[RgbImage, float], RgbImage]
    nearer: float = 0.0
    looks_again: bool = False

    def restore(self, image: RgbImage, face_px: float) -> RgbImage:
        return self.apply(image, face_px)


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
    """Deblurs a Gaussian of `blur_of_face` face widths: a Wiener filter on the grey picture, colour kept.

    (On each colour it takes three times as long, and recognises no more.)
    """
    sigma = blur_of_face * face_px
    height, width, _ = image.shape
    margin = round(3 * sigma)
    rows, columns = cv2.getOptimalDFTSize(height + 2 * margin), cv2.getOptimalDFTSize(width + 2 * margin)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    below, right = rows - height - margin, columns - width - margin
    padded = cv2.copyMakeBorder(grey, margin, below, margin, right, cv2.BORDER_REFLECT)
    spectrum = np.fft.rfft2(padded) * _wiener_response(rows, columns, sigma)
    sharp = np.fft.irfft2(spectrum, s=(rows, columns))[margin : margin + height, margin : margin + width]
    return np.clip(image + (sharp - grey)[:, :, np.newaxis], 0, 255).astype(np.uint8)


@lru_cache(maxsize=8)  # aligned faces are all of one size
def _wiener_response(height: int, width: int, sigma: float) -> NDArray[np.float32]:
    """Inverse of a Gaussian's Fourier transform as far as noise lets it: (height, width // 2 + 1)."""
    down = np.fft.fftfreq(height)[:, np.newaxis]
    across = np.fft.rfftfreq(width)[np.newaxis, :]
    gaussian = np.exp(-2 * (np.pi * sigma) ** 2 * (down**2 + across**2)).astype(np.float32)
    return np.asarray(gaussian / (gaussian**2 + np.float32(NOISE_TO_SIGNAL)))


# What the gate tries, aimed at a way of anonymizing each: noise and permutation are averaged away, squares
# smoothed, blur sharpened at the two widths that people use. Those two that catch most with landmarks found
# anew look for them. docs/faces.md has what each catches, how much nearer it brings strangers, and its cost.
GATE_ATTACKS: Final[tuple[Attack, ...]] = (
    Filter("smooth", _smooth, nearer=0.02, looks_again=True),
    Filter("resample", _resample, nearer=0.025, looks_again=True),
    Filter("wiener 0.05", lambda image, face_px: _wiener(image, face_px, 0.05), nearer=0.035),
    Filter("wiener 0.15", lambda image, face_px: _wiener(image, face_px, 0.15), nearer=0.02),
)

# With two more that hardly ever catch what those miss, for evaluations that take their time.
STANDARD_ATTACKS: Final[tuple[Attack, ...]] = (
    *GATE_ATTACKS,
    Filter("median", _median),
    Filter("non-local means", _non_local_means),
)
