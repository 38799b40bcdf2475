"""Other pictures of one person: pose, light and expression change by style mixing.

Somebody else's styles are mixed in, at each band with a share of their own (Karras et al. 2019, section 3.1,
where the share is always 1): coarse ones turn the head, middle ones move the features, fine ones change
colour and light. Styles do not say what of them is identity: every mixture's face is encoded, and what the
encoder does not take for the same person is dropped. So a variation is a match by construction, and what it
adds to a gallery has to be measured (`evaluate augmentation`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine
from veilmesh_ml.synthesis.onlooker import features_of
from veilmesh_ml.synthesis.style_gan import COARSE, FINE, MIDDLE, Faces, Noise, StyleGan, Styles

SAME_PERSON: Final = 0.5  # dissimilarity up to which a mixture is kept; policies decide at about 0.53
TRUNCATION: Final = 0.8  # of whose styles are mixed in
TRIES: Final = 16  # for each that is wanted
_MOST: Final = ((COARSE, 0.6), (MIDDLE, 0.3), (FINE, 1.0))  # share of another's styles, at most
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Sitter:
    """Who is to be varied.

    Attributes:
        styles: (STYLES, LATENT).
        noise: (NOISE,).
        features: that a variation is compared with, of a photo or of the face of these styles, (128,).
    """

    styles: Styles = field(repr=False)
    noise: Noise = field(repr=False)
    features: Features = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Variations:
    """Faces, uint8 (n, FACE_PX, FACE_PX, 3), their features, (n, 128), and how many mixtures were tried."""

    faces: Faces = field(repr=False)
    features: Features = field(repr=False)
    tried: int


def vary(
    gan: StyleGan,
    engine: Engine,
    sitter: Sitter,
    count: int,
    *,
    random: np.random.Generator,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Variations:
    """Return up to `count` variations: fewer where mixtures keep being somebody else.

    Args:
        gan: draws.
        engine: encodes.
        sitter: who.
        count: at least 1.
        random: to draw from.
        progress: called with the variations found and wanted.
    """
    kept_faces: list[Faces] = []
    kept_features: list[Features] = []
    found = tried = 0
    while found < count and tried < TRIES * count:
        mixed = np.stack([_mixed(gan, sitter.styles, random) for _ in range(_AT_ONCE)])
        faces = gan.faces(mixed, np.broadcast_to(sitter.noise, (_AT_ONCE, len(sitter.noise))))
        seen = features_of(engine, faces)
        same = np.flatnonzero(np.linalg.norm(seen - sitter.features, axis=1) <= SAME_PERSON)[: count - found]
        kept_faces.append(faces[same])
        kept_features.append(seen[same])
        found, tried = found + len(same), tried + _AT_ONCE
        progress(found, count)
    return Variations(np.concatenate(kept_faces), np.concatenate(kept_features), tried)


def _mixed(gan: StyleGan, styles: Styles, random: np.random.Generator) -> Styles:
    """Mix in another person at each band."""
    mixed = styles.copy()
    for band, most in _MOST:
        other = gan.styles(random, TRUNCATION)
        share = np.float32(most * random.random())
        mixed[band] += share * (other[band] - mixed[band])
    return mixed
