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
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from veilmesh_ml.comparison import Features
from veilmesh_ml.evaluate.rates import Rate

MIN_AGE_YEARS = 14
HELD_OUT_ONE_IN = 5
_FIELD = {"gender": 1, "group": 2}  # in the file's name


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
        for label, place in _FIELD.items():
            wanted = np.array([int(name.split("_")[place]) for name in names])
            classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
            classifier.fit(features[~held_out], wanted[~held_out])
            right = classifier.predict(features[held_out]) == wanted[held_out]
            classifiers[label], accuracy[label] = classifier, Rate(int(right.sum()), len(right))
        return cls(classifiers, accuracy)

    def kept(self, before: Features, after: Features) -> dict[str, Rate]:
        """Count the photos of which both are put into the same class."""
        same = {
            label: classifier.predict(before) == classifier.predict(after)
            for label, classifier in self.classifiers.items()
        }
        return {label: Rate(int(each.sum()), len(each)) for label, each in same.items()}

    def guessed(self, before: Features) -> dict[str, Rate]:
        """Return how many would seem kept if everybody were put into the commonest class."""
        shares = {}
        for label, classifier in self.classifiers.items():
            counts = np.unique(classifier.predict(before), return_counts=True)[1]
            shares[label] = Rate(int(counts.max()), int(counts.sum()))
        return shares


def labelled_photos(folder: Path) -> list[str]:
    """Return the names of the photos whose labels can be read, sorted by date so that neighbours differ."""
    names = [path.name for path in folder.iterdir() if _is_labelled(path.name)]
    return sorted(names, key=lambda name: (name.split("_")[3], name))


def _is_labelled(name: str) -> bool:
    parts = name.split("_")
    return len(parts) == 4 and all(part.isdigit() for part in parts[:3]) and int(parts[0]) >= MIN_AGE_YEARS
