"""What judges of generators that draw whole faces have in common: how near these are to people held out."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.errors import ModelError
from veilmesh_ml.evaluate.distributions import coverage, frechet_distance
from veilmesh_ml.train.choose import Scored
from veilmesh_ml.train.packed import PackedFaces

_MOST: Final = 600
_FEWEST: Final = 16


def some_held_out(faces: PackedFaces) -> NDArray[np.intp]:
    """Return up to 600 faces of people held out, evenly over all.

    Raises:
        ModelError: there are too few.
    """
    held_out = np.flatnonzero(faces.held_out)
    chosen = held_out[:: max(1, len(held_out) // _MOST)][:_MOST]
    if len(chosen) < _FEWEST:
        raise ModelError(f"only {len(chosen)} faces are held out", hint="prepare the file with --held-out")
    return chosen


def nearness(held_out: Features, drawn: Features) -> Mapping[str, float]:
    """Return the Fréchet distance of two sets of faces, precision and recall, in dlib's features."""
    covered = coverage(held_out, drawn)
    return {
        "frechet": frechet_distance(held_out, drawn),
        "precision": covered.precision.value,
        "recall": covered.recall.value,
        "faces": len(drawn),
    }


def nearest(scored: Sequence[Scored]) -> Scored:
    """Return the checkpoint of the least Fréchet distance; of equal ones the latest."""
    return min(scored, key=lambda one: (one.scores["frechet"], -one.step))
