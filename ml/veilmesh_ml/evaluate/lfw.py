"""LFW's verification protocol: which photos are compared with which, in folds.

`pairs.txt` begins with the number of folds and of pairs of each kind in a fold. A mated pair is a line
`name, first number, second number`, a non-mated one `name, number, other name, number`; a photo is
`NAME/NAME_0001.jpg`. Within a fold the mated pairs come first.

Source: Huang et al., Labeled Faces in the Wild, UMass technical report 07-49 (2007), view 2.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from veilmesh_ml.errors import MlError

PAIRS_NAME = "pairs.txt"


class ProtocolError(MlError):
    """The pairs cannot be read, or name a photo that is not there."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo of a folder in LFW's layout."""

    person: str
    number: int

    def path(self, folder: Path) -> Path:
        return folder / self.person / f"{self.person}_{self.number:04d}.jpg"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos to compare, and the fold (from 0) that they are judged in."""

    fold: int
    first: Photo
    second: Photo

    @property
    def mated(self) -> bool:
        return self.first.person == self.second.person


def read_pairs(folder: Path) -> list[Pair]:
    """Return the pairs of `folder / "pairs.txt"`, all of whose photos are there.

    Raises:
        ProtocolError: there is no such file, it is not of that form, or a photo is missing.
    """
    source = folder / PAIRS_NAME
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ProtocolError(
            f"cannot read {source}: {err}", hint="--data names the folder that pairs.txt lies in"
        ) from err
    pairs = list(_parsed(lines, source))
    for photo in photos_of(pairs):
        if not photo.path(folder).is_file():
            raise ProtocolError(f"{source} names {photo.path(folder)}, which is not there")
    return pairs


def photos_of(pairs: Sequence[Pair]) -> list[Photo]:
    """Return every photo of these pairs once, in their order."""
    return list(dict.fromkeys(photo for pair in pairs for photo in (pair.first, pair.second)))


def photos_of_people_from(folder: Path, first_letter: str, at_most: int) -> list[Photo]:
    """Return the first photos of every person whose name begins with that letter or a later one.

    People with a single photo are left out. Files that are not named as LFW's are passed over.
    """
    people = sorted(path for path in folder.iterdir() if path.is_dir() and path.name >= first_letter)
    photos = []
    for person in people:
        numbers = sorted(
            int(found[1])
            for path in person.iterdir()
            if (found := re.fullmatch(re.escape(person.name) + r"_(\d{4})\.jpg", path.name))
        )
        if len(numbers) > 1:
            photos += [Photo(person.name, number) for number in numbers[:at_most]]
    return photos


def _parsed(lines: Sequence[str], source: Path) -> Iterator[Pair]:
    folds, of_a_kind = _header(lines, source)
    body = [(number, line.split()) for number, line in enumerate(lines[1:], start=2) if line.strip()]
    if len(body) != 2 * folds * of_a_kind:
        raise ProtocolError(f"{source} has {len(body)} pairs, its first line says {2 * folds * of_a_kind}")
    for index, (number, words) in enumerate(body):
        fold, mated = index // (2 * of_a_kind), index // of_a_kind % 2 == 0
        try:
            yield _pair(fold, words, mated=mated)
        except ValueError:
            kind = "mated" if mated else "non-mated"
            raise ProtocolError(f"{source}, line {number}: not a {kind} pair") from None


def _header(lines: Sequence[str], source: Path) -> tuple[int, int]:
    try:
        folds, of_a_kind = (int(word) for word in lines[0].split())
    except (ValueError, IndexError):
        raise ProtocolError(
            f"{source} does not begin with two numbers: of folds, and of pairs of a kind in each"
        ) from None
    if folds < 2 or of_a_kind < 1:
        raise ProtocolError(f"{source} has {folds} folds of {of_a_kind} pairs; a threshold needs two folds")
    return folds, of_a_kind


def _pair(fold: int, words: Sequence[str], *, mated: bool) -> Pair:
    if mated:
        person, first, second = words
        return Pair(fold, Photo(person, int(first)), Photo(person, int(second)))
    person, first, other, second = words
    if person == other:
        raise ValueError(person)
    return Pair(fold, Photo(person, int(first)), Photo(other, int(second)))
