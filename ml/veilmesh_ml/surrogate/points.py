"""Points of a face: the 68 landmarks, the forehead's arc, and alignment.

A face is 77 points: the 68 landmarks and 9 more on an arc over the forehead, from temple to temple. Needs
numpy alone, so that training runs where OpenCV is not installed.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]  # (n, 2): x, y in pixels

ARC_POINTS: Final = 9
# Crown of the arc above the brows, in units of brow to nose base: the rule of thirds, a little shorter.
FOREHEAD_HEIGHT: Final = 0.95
OUTLINE: Final = [*range(17), *range(68, 68 + ARC_POINTS)]  # jaw, then the arc back
# Landmarks of the mirrored face, in the scheme's order.
MIRRORED: Final = np.array(
    [
        *(*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
    ]
)
# In alignment the jaw counts more and the mouth less: it moves with every word.
ALIGNMENT_WEIGHTS: Final = np.concatenate([np.full(17, 1.5), np.ones(31), np.full(20, 0.3)])


def with_forehead(
    landmarks: NDArray[np.floating] | NDArray[np.integer], height: float = FOREHEAD_HEIGHT
) -> Points:
    """Return the 68 landmarks and the 9 points of the forehead's arc, float64 (77, 2)."""
    points = np.asarray(landmarks, dtype=np.float64)
    centre, half = (points[0] + points[16]) / 2, (points[16] - points[0]) / 2
    brow = points[17:27].mean(axis=0)
    crown = brow + height * (brow - points[33])
    angle = np.linspace(0, np.pi, ARC_POINTS + 2)[1:-1, np.newaxis]
    return np.concatenate([points, centre + np.cos(angle) * half + np.sin(angle) * (crown - centre)])


@dataclass(frozen=True, slots=True)
class Similarity:
    """Turn, scale and shift: x -> x @ matrix.T + shift."""

    matrix: NDArray[np.float64]  # (2, 2)
    shift: NDArray[np.float64]  # (2,)

    def apply(self, points: Points) -> Points:
        return points @ self.matrix.T + self.shift

    def undo(self, points: Points) -> Points:
        return (points - self.shift) @ np.linalg.inv(self.matrix).T


def fit_similarity(source: Points, target: Points, weights: NDArray[np.float64] | None = None) -> Similarity:
    """Return the similarity that brings `source` nearest to `target` (weighted least squares, Procrustes)."""
    share = np.ones(len(source)) if weights is None else weights
    share = share / share.sum()
    from_centre, to_centre = share @ source, share @ target
    moved, goal = (source - from_centre) @ [1, 1j], (target - to_centre) @ [1, 1j]
    size = max(float(share @ np.abs(moved) ** 2), 1e-9)
    turn = complex((share * np.conj(moved)) @ goal / size)
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return Similarity(matrix, to_centre - matrix @ from_centre)
