"""Apparent gender and group, by a classifier of our own.

Learnt from UTKFace's labels on the engine's features: gender two ways (male, female), group five (white,
black, Asian, Indian, other). These are labels that people put on photos, crude ones; here they only serve to
say whether an output still shows what the original shows. Every fifth photo is held out and gives the
accuracy that stands beside the result.

File names are UTKFace's: `AGE_GENDER_GROUP_DATE.jpg`. Children under 14 are left out, since the photos judged
show hardly any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from veilmesh_ml.comparison import Features
from veilmesh_ml.evaluate.rates import Rate

MIN_AGE_YEARS = 14
HELD_OUT_ONE_IN = 5
_FIELD = {"gender": 1, "group": 2}  # in the file's name
CLASSES: Mapping[str, tuple[str, ...]] = {  # in the order of their numbers there
    "gender": ("male", "female"),
    "group": ("white", "black", "Asian", "Indian", "other"),
}


@dataclass(frozen=True, slots=True, eq=False)
class GroupClassifier:
    """One classifier for each of "gender" and "group", and its accuracy on photos it has not seen."""

    classifiers: Mapping[str, Any]
    accuracy: Mapping[str, Rate]

    @classmethod
    def learn(cls, names: list[str], features: Features) -> Self:
        """Learn from photos' names and features (n, d), in the same order."""
        held_out = np.arange(len(names)) % HELD_OUT_ONE_IN == 0
        classifiers, accuracy = {}, {}
        for label in _FIELD:
            wanted = np.array([labels_of(name)[label] for name in names])
            classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
            classifier.fit(features[~held_out], wanted[~held_out])
            right = classifier.predict(features[held_out]) == wanted[held_out]
            classifiers[label], accuracy[label] = classifier, Rate(int(right.sum()), len(right))
        return cls(classifiers, accuracy)

    def classes(self, features: Features) -> dict[str, NDArray[np.int64]]:
        """Return what faces (n, d) are taken for: places in `CLASSES`, (n,)."""
        return {label: classifier.predict(features) for label, classifier in self.classifiers.items()}

    def kept(self, before: Features, after: Features) -> dict[str, Rate]:
        """Count the photos of which both are put into the same class."""
        now = self.classes(after)
        same = {label: each == now[label] for label, each in self.classes(before).items()}
        return {label: Rate(int(each.sum()), len(each)) for label, each in same.items()}

    def guessed(self, before: Features) -> dict[str, Rate]:
        """Return how many would seem kept if everybody were put into the commonest class."""
        shares = {}
        for label, classes in self.classes(before).items():
            counts = np.unique(classes, return_counts=True)[1]
            shares[label] = Rate(int(counts.max()), int(counts.sum()))
        return shares


def labelled_photos(folder: Path) -> list[str]:
    """Return the names of the photos whose labels can be read, sorted by date so that neighbours differ."""
    names = [path.name for path in folder.iterdir() if _is_labelled(path.name)]
    return sorted(names, key=lambda name: (name.split("_")[3], name))


def labels_of(name: str) -> dict[str, int]:
    """Return "gender" and "group" of such a photo, as places in `CLASSES`."""
    fields = name.split("_")
    return {label: int(fields[place]) for label, place in _FIELD.items()}


def _is_labelled(name: str) -> bool:
    parts = name.split("_")
    if len(parts) != 4 or not all(part.isdigit() for part in parts[:3]):
        return False
    known = all(number < len(CLASSES[label]) for label, number in labels_of(name).items())
    return known and int(parts[0]) >= MIN_AGE_YEARS
