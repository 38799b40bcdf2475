"""Which donor a face gets: suitable, but not alike, and drawn with a key.

1. Suitable: the `SUITABLE` nearest in what the eye would miss if it changed: gender, ancestry, age, turn of
   the head, light, mouth, glasses, beard.
2. Not alike: of these, the `DRAWN_FROM` whose landmarks are least like the person's.
3. Drawn: with two keys, two organisations' pictures of one person get different donors. A further draw gives
   another of them.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.keystream import derive, words
from veilmesh_ml.surrogate.attributes import ATTRIBUTES
from veilmesh_ml.surrogate.bank import Bank
from veilmesh_ml.surrogate.geometry import Points

SUITABLE: Final = 20
DRAWN_FROM: Final = 8
CHILD: Final = 16  # years that a face looks: no child's face on an adult, nor the other way round
# Importance of one standard deviation.
_WEIGHTS: Final = {
    "lightness": 0.6,
    "redness": 0.3,
    "yellowness": 0.3,
    "light from the side": 0.9,
    "light from above": 0.5,
    "yaw": 1.6,
    "pitch": 0.5,
    "mouth open": 2.2,
    "mouth wide": 2.2,
    "beard": 1.6,
    "glasses": 1.8,
    "woman": 5.0,
    "age": 2.5,
    "White": 1.6,
    "Black": 2.2,
    "Asian": 2.2,
    "Indian": 1.6,
    "other": 0.4,
}
_AGE: Final = ATTRIBUTES.index("age")
_NEVER: Final = 1e6
_INNER: Final = slice(17, 68)  # landmarks without the jaw
_IMPORTANCE: Final = np.array([_WEIGHTS.get(name, 0.0) for name in ATTRIBUTES])


def choose(bank: Bank, wanted: NDArray[np.float64], shape: Points, key: bytes, draw: int = 0) -> int:
    """Return the index of the donor for a face.

    Args:
        bank: of donors.
        wanted: the face's attributes, (len(ATTRIBUTES),).
        shape: its landmarks aligned to the bank's frame, (68, 2).
        key: 32 bytes, of this face alone.
        draw: 0 for the first; each another donor up to `DRAWN_FROM` - 1.
    """
    distance = (((bank.attributes - wanted) / bank.spread * _IMPORTANCE) ** 2).sum(axis=1)
    distance += np.where((bank.attributes[:, _AGE] < CHILD) == (wanted[_AGE] < CHILD), 0, _NEVER)
    suitable = np.argsort(distance, kind="stable")[:SUITABLE]
    unlike = np.linalg.norm((bank.shapes[suitable] - shape)[:, _INNER].reshape(len(suitable), -1), axis=1)
    drawn_from = suitable[np.argsort(-unlike, kind="stable")[:DRAWN_FROM]]
    order = np.argsort(words(derive(key, "donor"), len(drawn_from)), kind="stable")
    return int(drawn_from[order[draw % len(order)]])
