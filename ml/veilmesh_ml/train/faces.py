"""The faces a bank is built from, as arrays."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.surrogate.frame import Frame
from veilmesh_ml.surrogate.points import with_forehead

NO_LABEL = -1


@dataclass(frozen=True, slots=True, eq=False)
class TrainingFaces:
    """n faces, one per photo.

    Attributes:
        textures: in the bank's frame, uint8 (n, 160, 160, 3).
        landmarks: in the photo, int64 (n, 68, 2).
        sizes: height and width of the photo, int64 (n, 2).
        people: who it is, a number per person, int64 (n,).
        features: of dlib's encoder, float64 (n, 128).
        labels: age in years, woman (0 or 1) and group (index into `GROUPS`), int64 (n, 3); `NO_LABEL`
            where nobody said.
    """

    textures: NDArray[np.uint8] = field(repr=False)
    landmarks: NDArray[np.int64] = field(repr=False)
    sizes: NDArray[np.int64] = field(repr=False)
    people: NDArray[np.int64] = field(repr=False)
    features: Features = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        return np.asarray((self.labels != NO_LABEL).all(axis=1))

    def seen(self, index: int, frame: Frame) -> NDArray[np.bool_]:
        """Return which of a texture's pixels the photo holds: not those beyond its border."""
        warp = frame.warp_from(with_forehead(self.landmarks[index]))
        height, width = self.sizes[index]
        across = (warp.across >= 0) & (warp.across <= width - 1)
        return np.asarray(warp.inside & across & (warp.down >= 0) & (warp.down <= height - 1))
