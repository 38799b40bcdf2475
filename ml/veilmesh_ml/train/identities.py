"""Identity codes for a training: those of the people in it, and of nobody.

A code is dlib's features of a face, standardised, then brought to the length sqrt(128). A mean of a few
people's features is not nobody's: of three, it lies as near to each of them as another photo of theirs. So a
code of nobody is drawn: what the person's peers have in common (who look to be of one age, gender, group and
light), and about it a normal distribution as wide as people are about their peers.

Needs numpy alone.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.inpainting.codes import CODE_LENGTH, CodeTable
from veilmesh_ml.train.packed import PackedFaces

Features = NDArray[np.float64]

CODES_EACH: Final = 4  # of a donor, as shipped
_TRIED: Final = 8  # codes drawn for each that is kept
_RIDGE: Final = 1e-3  # of a feature's variance


class Identities:
    """Codes of the faces in a packed file; everything is learnt from those not held out."""

    def __init__(self, faces: PackedFaces) -> None:
        self._faces = faces
        self.features: Features = faces.features.astype(np.float64)
        self._known = np.flatnonzero(~faces.held_out)
        known = self.features[self._known]
        self._centre, self._scale = known.mean(axis=0), known.std(axis=0)
        off = known - self.features[faces.peers[self._known]].mean(axis=1)
        spread = np.cov(off.T) + _RIDGE * np.diag(self._scale**2)
        self._root = np.linalg.cholesky(spread)

    def code(self, features: Features) -> NDArray[np.float32]:
        """Return the codes of features, (..., 128)."""
        standard = (features - self._centre) / self._scale
        return np.asarray(
            standard * (CODE_LENGTH / np.linalg.norm(standard, axis=-1, keepdims=True)), dtype=np.float32
        )

    def nobody(self, alike: NDArray[np.integer], random: np.random.Generator, count: int = 1) -> Features:
        """Return features of nobody, (count, 128), who looks to be of these faces' age, gender and group."""
        drawn = random.standard_normal((count, len(self._root))) @ self._root.T
        return np.asarray(self.features[alike].mean(axis=0) + drawn)

    def table(self, donors: int, each: int, bank_sha256: str, seed: int = 0) -> CodeTable:
        """Return codes of nobody for every donor: of those drawn, the least like anybody in the training."""
        random = np.random.default_rng(seed)
        people = self.code(self.features[self._known]) / np.float32(CODE_LENGTH**2)
        codes = np.empty((donors, each, self.features.shape[1]), dtype=np.float32)
        for donor in range(donors):
            suited = (self._faces.donors[self._known] == donor).any(axis=1)
            members = self._known[suited] if suited.any() else self._known
            drawn = self.code(self.nobody(members, random, _TRIED * each))
            nearest = (drawn @ people.T).max(axis=1)
            codes[donor] = drawn[np.argsort(nearest, kind="stable")[:each]]
        return CodeTable(codes, bank_sha256)

    def nearest(self, table: CodeTable) -> float:
        """Return the cosine of the code that is most like somebody's in the training."""
        people = self.code(self.features[self._known])
        return float((table.codes.reshape(-1, people.shape[1]) @ people.T).max() / CODE_LENGTH**2)
