"""The style-based GAN as it ships: two exported networks, on onnxruntime.

    gan = StyleGan()
    random = face_random(seed, 0)
    styles = gan.styles(random, truncation=0.7)           # (STYLES, LATENT)
    face = gan.faces(styles[np.newaxis], noise(random)[np.newaxis])[0]

`stylegan_mapping` in `weights.toml` makes styles of latents, `stylegan` makes faces of styles and noise.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.errors import ModelError
from veilmesh_ml.exported import ExportedNetwork
from veilmesh_ml.synthesis.frame import FACE_PX
from veilmesh_ml.weights import weights_entry

LATENT: Final = 128
STYLES: Final = 10
NOISE: Final = 10_896
COARSE: Final = slice(0, 3)  # 4 and 8 px: pose, outline
MIDDLE: Final = slice(3, 7)  # 16 and 32 px: features, expression
FINE: Final = slice(7, 10)  # 64 px: colour, light
_AT_ONCE: Final = 32

Styles: TypeAlias = NDArray[np.float32]  # (STYLES, LATENT) of one face, (n, STYLES, LATENT) of several
Noise: TypeAlias = NDArray[np.float32]  # (NOISE,), (n, NOISE)
Faces: TypeAlias = NDArray[np.uint8]  # (n, FACE_PX, FACE_PX, 3)


class StyleGan:
    """May be called from several threads.

    Attributes:
        digest: SHA-256 (hex) of what makes faces of styles.
    """

    def __init__(self, threads: int | None = None) -> None:
        """Load the networks; threads as for `ExportedNetwork`.

        Raises:
            ModelError: weights are missing, altered or of another config.
        """
        require_shipped()
        self._mapping = ExportedNetwork("stylegan_mapping", threads)
        self._synthesis = ExportedNetwork("stylegan", threads)
        self._mapping.require_shapes([(LATENT,), (1,)], [(LATENT,)])
        self._synthesis.require_shapes([(STYLES, LATENT), (NOISE,)], [(3, FACE_PX, FACE_PX)])
        self.digest = self._synthesis.digest

    def styles(self, random: np.random.Generator, truncation: float) -> Styles:
        """Draw somebody's styles: all alike, so that nothing is mixed.

        Args:
            random: to draw from.
            truncation: 1 draws as was learnt; towards 0 faces become the mean face, better and less various.
        """
        latent = random.standard_normal((1, LATENT), dtype=np.float32)
        style = self._mapping(latent, np.full((1, 1), truncation, dtype=np.float32))
        return np.repeat(style, STYLES, axis=0)

    def faces(self, styles: Styles, noise: Noise) -> Faces:
        """Return the faces of styles, (n, STYLES, LATENT), and noise, (n, NOISE)."""
        made = np.empty((len(styles), FACE_PX, FACE_PX, 3), dtype=np.uint8)
        for start in range(0, len(styles), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            pixels = self._synthesis(styles[part], noise[part]).transpose(0, 2, 3, 1)
            made[part] = np.clip(np.rint((pixels + 1) * 127.5), 0, 255)
        return made


def require_shipped() -> None:
    """Raise ModelError, with what to do now, where the networks are not among the weights."""
    for name in ("stylegan_mapping", "stylegan"):
        try:
            weights_entry(name)
        except ModelError as err:
            raise ModelError(
                "this version comes without weights of the style-based GAN",
                hint="train them with `veilmesh train stylegan`, or install a version that has them",
            ) from err


def noise(random: np.random.Generator) -> Noise:
    """Draw the noise of one face: single hairs, pores, what is nowhere in the styles."""
    return random.standard_normal(NOISE, dtype=np.float32)


def face_random(seed: int, number: int) -> np.random.Generator:
    """Return the random numbers of one face: the same however many others are drawn."""
    return np.random.default_rng([seed, number])
