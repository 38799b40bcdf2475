"""The photos in which a face was found, in the roles that they have when anonymizers are judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.evaluate import parrot
from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.measuring import Subject, subjects_of
from veilmesh_ml.evaluate.reidentification import FaceSet
from veilmesh_ml.evaluate.trials import Photo, Trials, is_judged


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """Roles as in `Trials`, and what was measured on the originals."""

    row_of: Mapping[Photo, int]
    number_of: Mapping[str, int]  # of people
    originals: Arrays
    sought: Sequence[Subject]
    others: Sequence[Subject]
    probes: Sequence[Subject]
    training: Sequence[Subject]
    known: Sequence[Subject]

    @classmethod
    def of(cls, originals: Arrays, trials: Trials) -> Self:
        """Give out the roles; `originals` are `measure_originals` of the planned photos."""
        subject_of = {subject.photo: subject for subject in subjects_of(trials.photos, originals)}
        people = sorted({photo.person for photo in trials.photos})

        def present(photos: Sequence[Photo], at_least: int = 1) -> list[Subject]:
            shown = [photo.person for photo in photos if photo in subject_of]
            return [
                subject_of[photo]
                for photo in photos
                if photo in subject_of and shown.count(photo.person) >= at_least
            ]

        sought = present(trials.sought)
        searched = {subject.photo.person for subject in sought}
        return cls(
            row_of={photo: row for row, photo in enumerate(trials.photos)},
            number_of={person: number for number, person in enumerate(people)},
            originals=originals,
            sought=sought,
            others=present(trials.others),
            probes=[subject for subject in present(trials.probes) if subject.photo.person in searched],
            training=present(trials.training, 2),
            known=present(trials.known, parrot.FOLDS),
        )

    @property
    def gallery(self) -> Sequence[Subject]:
        """One original a person."""
        return [*self.sought, *self.others]

    @property
    def not_judged(self) -> Sequence[Subject]:
        """Every photo of people that methods may have been made from."""
        return [*self.training, *(each for each in self.others if not is_judged(each.photo.person))]

    @property
    def strangers(self) -> Sequence[Subject]:
        """One original a person, of people that no method was made from."""
        return [each for each in self.gallery if is_judged(each.photo.person)]

    @property
    def pairs(self) -> Sequence[tuple[Subject, Subject]]:
        """Of every person who has a probe, the photo in the gallery and the first probe."""
        first = {subject.photo.person: subject for subject in reversed(self.probes)}
        return [
            (subject, first[subject.photo.person]) for subject in self.sought if subject.photo.person in first
        ]

    def faces(self, features: NDArray[Any], subjects: Sequence[Subject]) -> FaceSet:
        """Return features with whom and which photo each is of."""
        people = [self.number_of[subject.photo.person] for subject in subjects]
        photos = [self.row_of[subject.photo] for subject in subjects]
        return FaceSet(features.astype(np.float64), np.array(people), np.array(photos))

    def originals_of(self, judge: str, subjects: Sequence[Subject]) -> FaceSet:
        """Return the features that a judge has of originals."""
        rows = [self.row_of[subject.photo] for subject in subjects]
        return self.faces(self.originals[f"features {judge}"][rows], subjects)

    def references(self, judge: str) -> FaceSet:
        """Return those of every original of the people judged."""
        return self.originals_of(judge, [*(shown for shown, _ in self.pairs), *self.probes])
