"""Photos labelled with gender and group: they teach the classifier, and show whose faces stay faces.

UTKFace has one photo of a person, so nobody can be recognised in it again; a face can be found again. Some of
each gender and group are anonymized, as many of each where there are so many. Shipped methods may have learnt
from these very photos.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.group_gaps import ByLabel, by_label
from veilmesh_ml.evaluate.groups import GroupClassifier, labelled_photos, labels_of
from veilmesh_ml.evaluate.measuring import (
    ORIGINAL,
    Method,
    Subject,
    measure_found_again,
    measure_labelled,
    measure_originals,
    subjects_of,
)
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.trials import Photo
from veilmesh_ml.evaluate.utility import found_again, landmark_error
from veilmesh_ml.evaluate.workshop import Workshop

FOLDER: Final = "utkface_train"  # in the folder of data
PHOTOS_A_CELL: Final = 100  # of one gender and one group


def learn_groups(workshop: Workshop) -> GroupClassifier | None:
    """Learn gender and group, where the labelled photos are there."""
    photos = _photos(workshop)
    if not photos:
        return None
    arrays = workshop.run("labelled photos", measure_labelled, photos)
    found = np.flatnonzero(arrays["found"])
    return GroupClassifier.learn([_name(photos[index]) for index in found], arrays["features"][found])


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """Photos in which a face was found.

    Attributes:
        workshop: where they are measured.
        subjects: n photos.
        before: box and landmarks of each.
        classes: "gender" and "group" of each, (n,).
    """

    workshop: Workshop
    subjects: Sequence[Subject]
    before: Arrays
    classes: Mapping[str, NDArray[np.int64]]

    @classmethod
    def find(cls, workshop: Workshop, photos_a_cell: int) -> Self | None:
        """Find the faces; None where there are no labelled photos, or no face in them."""
        photos = some_of_each(_photos(workshop), photos_a_cell)
        if not photos:
            return None
        arrays = workshop.run("labelled faces", measure_originals, photos)
        subjects = subjects_of(photos, arrays)
        if not subjects:
            return None
        labels = [labels_of(_name(subject.photo)) for subject in subjects]
        return cls(
            workshop,
            subjects,
            {name: arrays[name][arrays["found"]] for name in ("box", "landmarks")},
            {label: np.array([each[label] for each in labels], np.int64) for label in labels[0]},
        )

    def judge(self, method: Method, mark: str) -> tuple[ByLabel[Rate], ByLabel[Estimate]]:
        """Return how often a face is found again, and how far its landmarks moved."""
        after: Arrays = self.before
        if method is not ORIGINAL:
            after = self.workshop.run(
                f"{method.name} labelled faces", measure_found_again, self.subjects, method, made_by=mark
            )
        before = self.before

        def found(members: NDArray[np.bool_]) -> Rate:
            return found_again(before["box"][members], after["box"][members])

        def moved(members: NDArray[np.bool_]) -> Estimate:
            return landmark_error(*({name: each[name][members] for name in each} for each in (before, after)))

        return by_label(self.classes, found), by_label(self.classes, moved)


def some_of_each(photos: Sequence[Photo], photos_a_cell: int) -> list[Photo]:
    """Return the first so many photos of each gender and group, in their order."""
    taken: Counter[tuple[int, ...]] = Counter()
    chosen = []
    for photo in photos:
        cell = tuple(labels_of(_name(photo)).values())
        taken[cell] += 1
        if taken[cell] <= photos_a_cell:
            chosen.append(photo)
    return chosen


def _photos(workshop: Workshop) -> list[Photo]:
    folder = workshop.data / FOLDER
    return [Photo("", f"{FOLDER}/{name}") for name in labelled_photos(folder)] if folder.is_dir() else []


def _name(photo: Photo) -> str:
    return PurePosixPath(photo.path).name
