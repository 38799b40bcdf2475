"""Which donor a face gets: suitable, but not alike, and drawn with a key.

1. Suitable: a few dozen nearest in what the eye would miss if it changed: gender, ancestry, age, turn of
   the head, light, mouth, glasses, beard. A donor may look *more* of the person's gender and group.
2. Not alike: of these, the `DRAWN_FROM` whose likeness is least the person's.
3. Drawn: with two keys, two organisations' pictures of one person get different donors. A further draw gives
   another of them.
"""

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.keystream import derive, words
from veilmesh_ml.surrogate.attributes import ATTRIBUTES, GROUPS, Reading

DRAWN_FROM: Final = 8
# Years that a face looks: no child's face on an adult, nor the other way round. An average's
# guess is drawn towards everybody's.
CHILD: Final = 16
CHILD_DONOR: Final = 22
# Importance of one standard deviation of each attribute.
_WEIGHTS: Final = {
    "lightness": 0.6,
    "redness": 0.3,
    "yellowness": 0.3,
    "light from the side": 0.9,
    "light from above": 0.5,
    "yaw": 1.6,
    "pitch": 0.5,
    "mouth open": 3.2,
    "mouth wide": 3.2,
    "beard": 1.6,
    "glasses": 1.8,
    "woman": 5.0,
    "age": 2.5,
    "White": 3.2,
    "Black": 4.0,
    "Asian": 4.0,
    "Indian": 3.2,
    "other": 1.5,
}
_WOMAN: Final = ATTRIBUTES.index("woman")
_GROUPS: Final = np.array([ATTRIBUTES.index(group) for group in GROUPS])
_AGE: Final = ATTRIBUTES.index("age")
_NEVER: Final = 1e6
IMPORTANCE: Final = np.array([_WEIGHTS.get(name, 0.0) for name in ATTRIBUTES])


class Donors(Protocol):
    """What is known of k donors, those of the bank or others: see `Bank` for the members."""

    @property
    def attributes(self) -> NDArray[np.float64]: ...
    @property
    def likenesses(self) -> NDArray[np.float64]: ...
    @property
    def spread(self) -> NDArray[np.float64]: ...


def choose(donors: Donors, face: Reading, suitable: int, key: bytes, draw: int = 0) -> int:
    """Return the index of the donor for a face.

    Args:
        donors: to choose from.
        face: what was read off it.
        suitable: how many donors suit it; the more, the less like the person the surrogate is, and the
            worse it suits.
        key: 32 bytes, of this face alone.
        draw: 0 for the first; each another donor up to `DRAWN_FROM` - 1.
    """
    distance = unsuitability(donors.attributes, face.attributes, donors.spread)
    nearest = np.argsort(distance, kind="stable")[:suitable]
    alike = donors.likenesses[nearest] @ face.likeness
    drawn_from = nearest[np.argsort(alike, kind="stable")[:DRAWN_FROM]]
    order = np.argsort(words(derive(key, "donor"), len(drawn_from)), kind="stable")
    return int(drawn_from[order[draw % len(order)]])


def unsuitability(
    attributes: NDArray[np.float64], wanted: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how badly every donor suits a face, 0 or more, (k,).

    Args:
        attributes: of the donors, (k, len(ATTRIBUTES)).
        wanted: of the face.
        spread: a standard deviation of every attribute.
    """
    distance = ((_off(attributes, wanted, spread) * IMPORTANCE) ** 2).sum(axis=1)
    suits = (attributes[:, _AGE] < CHILD_DONOR) == (wanted[_AGE] < CHILD)
    return np.asarray(distance + np.where(suits, 0, _NEVER))


def _off(
    attributes: NDArray[np.float64], wanted: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far every donor is from what is wanted, in standard deviations, (k, len(ATTRIBUTES))."""
    off = (attributes - wanted) / spread
    off[:, _WOMAN] = np.minimum(0, np.copysign(1, wanted[_WOMAN]) * off[:, _WOMAN])
    group = _GROUPS[np.argmax(wanted[_GROUPS])]
    others = np.setdiff1d(_GROUPS, [group])
    off[:, group] = np.minimum(0, off[:, group])
    off[:, others] = np.maximum(0, off[:, others])
    return off
