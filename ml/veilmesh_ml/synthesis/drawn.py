"""Faces that were drawn once, kept as their styles with what is known of each, and the one file for them.

The anonymizer chooses among them as among the donors of `cluster` (`surrogate.choice`); projecting a photo
begins with them. `train.drawn` makes the file. There is no picture in it: styles become the same face again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.array_file import encode_arrays, reading_arrays, require_format, require_shapes
from veilmesh_ml.comparison import Features
from veilmesh_ml.surrogate.attributes import ATTRIBUTES, LIKENESS_COMPONENTS, require_attributes
from veilmesh_ml.synthesis.style_gan import LATENT, Noise, noise

FORMAT: Final = "veilmesh/drawn/1"
LEAST: Final = 64  # faces


@dataclass(frozen=True, slots=True, eq=False)
class DrawnFaces:
    """n faces.

    Attributes:
        styles: float32 (n, LATENT): one style, which a face has everywhere.
        numbers: int64 (n,), and
        seed: of the file: by both, the noise that a face was looked at with (`grain_of`).
        landmarks: in the picture of FACE_PX, float64 (n, 68, 2).
        features: float64 (n, 128).
        thumbnails: coarse pixels, float64 (n, t), see `projection.thumbnail`.
        attributes: float64 (n, len(ATTRIBUTES)).
        likenesses: of length 1, float64 (n, LIKENESS_COMPONENTS).
        spread: standard deviation of every attribute.
    """

    styles: NDArray[np.float32] = field(repr=False)
    numbers: NDArray[np.int64] = field(repr=False)
    seed: int
    landmarks: NDArray[np.float64] = field(repr=False)
    features: Features = field(repr=False)
    thumbnails: NDArray[np.float64] = field(repr=False)
    attributes: NDArray[np.float64] = field(repr=False)
    likenesses: NDArray[np.float64] = field(repr=False)
    spread: NDArray[np.float64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.styles)


def grain_of(seed: int, number: int) -> Noise:
    """Return the noise that a drawn face was looked at with."""
    return noise(np.random.default_rng([seed, number, 1]))


def encode_drawn(drawn: DrawnFaces) -> bytes:
    """Return the bytes of the file; equal faces give equal bytes."""
    arrays = {
        "format": np.array([FORMAT]),
        "attribute_names": np.array(ATTRIBUTES),
        "styles": drawn.styles.astype(np.float16),
        "numbers": drawn.numbers.astype(np.uint32),
        "seed": np.array([drawn.seed], dtype=np.int64),
        "landmarks": drawn.landmarks.astype(np.float16),
        "features": drawn.features.astype(np.float16),
        "thumbnails": np.rint(drawn.thumbnails).astype(np.uint8),
        "attributes": drawn.attributes.astype(np.float32),
        "likenesses": drawn.likenesses.astype(np.float16),
        "spread": drawn.spread.astype(np.float32),
    }
    return encode_arrays(arrays)


def decode_drawn(content: bytes, name: str = "drawn faces") -> DrawnFaces:
    """Read drawn faces.

    Raises:
        ModelError: not such a file, or damaged.
    """
    with reading_arrays(content, f"{name} is no file of drawn faces", "build it again") as arrays:
        return _drawn(arrays)


def _drawn(arrays: Mapping[str, NDArray[Any]]) -> DrawnFaces:
    require_format(arrays, FORMAT)
    require_attributes(arrays)
    found = DrawnFaces(
        arrays["styles"].astype(np.float32),
        arrays["numbers"].astype(np.int64),
        int(arrays["seed"].item()),
        *(
            arrays[name].astype(np.float64)
            for name in ("landmarks", "features", "thumbnails", "attributes", "likenesses", "spread")
        ),
    )
    expected = {
        "styles": (len(found), LATENT),
        "numbers": (len(found),),
        "landmarks": (len(found), 68, 2),
        "features": (len(found), 128),
        "attributes": (len(found), len(ATTRIBUTES)),
        "likenesses": (len(found), LIKENESS_COMPONENTS),
        "spread": (len(ATTRIBUTES),),
    }
    require_shapes(found, expected)
    if len(found) < LEAST or len(found.thumbnails) != len(found):
        raise ValueError(f"{len(found)} faces")
    return found
