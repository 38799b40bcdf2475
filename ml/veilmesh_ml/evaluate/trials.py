"""Who is compared with whom when anonymizers are judged.

People are split by the first letter of their folder's name: A to R may have been used to fit a method, S to Z
never, so only the latter are judged. Of these, people with two photos or more give one original to the
gallery, and others of their photos are anonymized and become probes. The gallery is filled up to a thousand
with one original each of people with a single photo, first S to Z, then A to R: they are only ever wrong
answers.

Attackers who learn do so on people A to R. One in five of those is held out, for the attacker to choose
settings on.

A plan for fewer people is the beginning of one for more, so that measurements of the one serve the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veilmesh_ml.errors import ParameterError

FIRST_JUDGED_LETTER = "S"
GALLERY_PEOPLE = 1000
PHOTOS_A_JUDGED_PERSON = 3  # one in the gallery, up to two probes
PHOTOS_A_TRAINING_PERSON = 3
MIN_PHOTOS_KNOWN = 8  # of a person whom the attacker has labelled outputs of
MAX_PHOTOS_KNOWN = 20
HELD_OUT_ONE_IN = 5
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
_DRAW_SEED = 2016


@dataclass(frozen=True, slots=True, order=True)
class Photo:
    """A file and whom it shows. `path` is relative to the folder of data and uses "/"."""

    person: str
    path: str


@dataclass(frozen=True, slots=True)
class Trials:
    """The photos of an evaluation.

    Attributes:
        sought: one original of each judged person; with `others`, the gallery.
        others: one original each of other people.
        probes: photos of judged people, none of them in the gallery.
        training: several photos of each person that attackers learn from; nobody in `probes`.
        known: photos of judged people of whom there are many, for an attacker who holds labelled outputs of
            the very people searched.
    """

    sought: tuple[Photo, ...]
    others: tuple[Photo, ...]
    probes: tuple[Photo, ...]
    training: tuple[Photo, ...]
    known: tuple[Photo, ...]

    @property
    def photos(self) -> tuple[Photo, ...]:
        """Every photo that takes part, once."""
        return tuple(dict.fromkeys((*self.sought, *self.others, *self.probes, *self.training, *self.known)))


def plan_trials(data: Path, folder: Path, people: int) -> Trials:
    """Choose the photos, the same ones whenever the folder is the same.

    Args:
        data: what photos' paths are relative to.
        folder: in there or the same: `NAME/*.jpg`.
        people: how many are judged, where there are that many; attackers learn from three times as many.

    Raises:
        ParameterError: nobody there can be judged, or attackers have nobody to learn from.
    """
    draw = np.random.default_rng(_DRAW_SEED)
    photos_of = _photos_of_people(data, folder)
    names = [str(name) for name in draw.permutation(sorted(photos_of))]
    judged = [name for name in names if is_judged(name) and len(photos_of[name]) > 1][:people]
    learnt = [name for name in names if not is_judged(name) and len(photos_of[name]) > 1][: 3 * people]
    if not judged or len(learnt) < HELD_OUT_ONE_IN:
        raise ParameterError(
            f"{folder} has {len(judged)} people from S to Z and {len(learnt)} from A to R with two photos",
            hint="name a folder like LFW's: NAME/*.jpg, people of all letters",
        )
    # Sorted so that people S to Z come before the others; the sort keeps the drawn order.
    alone = sorted(
        (name for name in names if len(photos_of[name]) == 1), key=lambda name: not is_judged(name)
    )
    many = [name for name in judged if len(photos_of[name]) >= MIN_PHOTOS_KNOWN]
    return Trials(
        sought=_several(photos_of, judged, 0, 1),
        others=_several(photos_of, alone[: GALLERY_PEOPLE - len(judged)], 0, 1),
        probes=_several(photos_of, judged, 1, PHOTOS_A_JUDGED_PERSON),
        training=_several(photos_of, learnt, 0, PHOTOS_A_TRAINING_PERSON),
        known=_several(photos_of, many, 0, MAX_PHOTOS_KNOWN),
    )


def is_judged(person: str) -> bool:
    """Whether this person's first letter is S to Z."""
    return person[:1].upper() >= FIRST_JUDGED_LETTER


def held_out(people: Sequence[str]) -> list[bool]:
    """Return, for each photo's person, whether that person is kept for choosing an attacker's settings."""
    order = {person: place for place, person in enumerate(dict.fromkeys(people))}
    return [order[person] % HELD_OUT_ONE_IN == 0 for person in people]


def _photos_of_people(data: Path, folder: Path) -> dict[str, list[Photo]]:
    if not folder.is_dir():
        raise ParameterError(f"{folder} is no folder")
    photos_of: dict[str, list[Photo]] = {}
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(path for path in person.iterdir() if path.suffix.lower() in _SUFFIXES)
        if files:
            paths = (path.relative_to(data).as_posix() for path in files)
            photos_of[person.name] = [Photo(person.name, path) for path in paths]
    return photos_of


def _several(
    photos_of: dict[str, list[Photo]], people: Sequence[str], first: int, end: int
) -> tuple[Photo, ...]:
    return tuple(photo for person in people for photo in photos_of[person][first:end])
