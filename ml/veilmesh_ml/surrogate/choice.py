"""Which donor a face gets: one of the few nearest, drawn with a key.

Near in what the eye would miss if it changed: gender, ancestry, age, turn of the head, light, mouth, glasses,
beard. Drawn, because the nearest alone would make a donor a fingerprint: with two keys, two organisations'
pictures of one person get different donors.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.keystream import derive, words
from veilmesh_ml.surrogate.attributes import ATTRIBUTES
from veilmesh_ml.surrogate.bank import Bank

DRAWN_FROM: Final = 12
# Importance of one standard deviation.
_WEIGHTS: Final = {
    "lightness": 0.6,
    "redness": 0.3,
    "yellowness": 0.3,
    "light from the side": 0.9,
    "light from above": 0.5,
    "yaw": 1.6,
    "pitch": 0.5,
    "mouth open": 1.5,
    "mouth wide": 1.2,
    "beard": 1.0,
    "glasses": 1.2,
    "woman": 2.5,
    "age": 1.3,
    "White": 1.2,
    "Black": 1.5,
    "Asian": 1.5,
    "Indian": 1.2,
    "other": 0.4,
}
_LOOK_WEIGHT: Final = 0.0
_IMPORTANCE: Final = np.array([_WEIGHTS.get(name, _LOOK_WEIGHT) for name in ATTRIBUTES])


def choose(bank: Bank, wanted: NDArray[np.float64], key: bytes) -> int:
    """Return the index of the donor for a face with these attributes.

    Args:
        bank: of donors.
        wanted: (len(ATTRIBUTES),).
        key: 32 bytes, of this face alone.
    """
    distance = (((bank.attributes - wanted) / bank.spread * _IMPORTANCE) ** 2).sum(axis=1)
    nearest = np.argsort(distance, kind="stable")[:DRAWN_FROM]
    draw = int(words(derive(key, "donor"), 1)[0])  # its bias towards some is below 2**-60
    return int(nearest[draw % len(nearest)])
