"""Is the expression kept? A classifier of seven reads labelled faces before and after.

The faces are FER2013's test pictures, `fer2013/test/EXPRESSION/*`, grey and 48 px wide, enlarged so that they
are found; some of each expression, evenly chosen by name. The classifier is the one that ships, which learnt
from that collection's other part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.measuring import (
    ORIGINAL,
    Method,
    Subject,
    central_face,
    instruments,
    nearest,
    read_photo,
    subjects_of,
    where,
)
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.trials import Photo
from veilmesh_ml.evaluate.workshop import Workshop
from veilmesh_ml.expression_reader import ExpressionReader, expression_chip
from veilmesh_ml.expressions import EXPRESSIONS
from veilmesh_ml.image import RgbImage
from veilmesh_ml.weights import ships

FOLDER: Final = "fer2013/test"
PHOTOS_AN_EXPRESSION: Final = 50
ENLARGED: Final = 4  # times; 192 px, in which HOG finds 334 of 350 faces


@dataclass(frozen=True, slots=True)
class KeptExpression:
    """Attributes: outputs read as their label says; outputs read as their original is."""

    right: Rate
    same: Rate

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        return {"right": self.right.document(), "same_as_original": self.same.document()}


@dataclass(frozen=True, slots=True, eq=False)
class LabelledExpressions:
    """Photos in which a face was found, and what is read in them before anything is done.

    Attributes:
        workshop: where they are measured.
        reader: digest of the classifier.
        subjects: n photos.
        labels, read: places in `EXPRESSIONS`, (n,).
    """

    workshop: Workshop
    reader: str
    subjects: Sequence[Subject]
    labels: NDArray[np.int64]
    read: NDArray[np.int64]

    @classmethod
    def find(cls, workshop: Workshop, photos_an_expression: int) -> Self | None:
        """Find and read them; None where the photos or the classifier are missing, or no face is found."""
        photos = labelled_photos(workshop.data, photos_an_expression)
        if not (photos and ships("expression")):
            return None
        found = workshop.run("expressions", find_enlarged, photos)
        subjects = subjects_of(photos, found)
        if not subjects:
            return None
        labels = np.array([EXPRESSIONS.index(Path(each.photo.path).parent.name) for each in subjects])
        reader = ExpressionReader(threads=1).digest
        read = workshop.run("original expressions", read_enlarged, subjects, ORIGINAL, made_by=reader)
        return cls(workshop, reader, subjects, labels, read["likely"].argmax(axis=1))

    @property
    def commonest(self) -> Rate:
        """What would seem kept if every output were read as the expression that most originals are."""
        return Rate(int(np.bincount(self.read).max()), len(self.read))

    def judge(self, method: Method, mark: str) -> KeptExpression:
        """Read a method's outputs; `mark` is its fingerprint."""
        read = self.read
        if method is not ORIGINAL:
            arrays = self.workshop.run(
                f"{method.name} expressions", read_enlarged, self.subjects, method, made_by=mark + self.reader
            )
            read = arrays["likely"].argmax(axis=1)
        count = len(read)
        return KeptExpression(
            right=Rate(int((read == self.labels).sum()), count),
            same=Rate(int((read == self.read).sum()), count),
        )


def labelled_photos(data: Path, photos_an_expression: int) -> list[Photo]:
    """Return at most so many photos of each expression; none where there is no such folder."""
    photos: list[Photo] = []
    for expression in EXPRESSIONS:
        paths = sorted((data / FOLDER / expression).glob("*.*"))
        places = np.linspace(0, len(paths) - 1, min(photos_an_expression, len(paths))).astype(int)
        photos += [Photo("", paths[place].relative_to(data).as_posix()) for place in places]
    return photos


def find_enlarged(photos: Sequence[Photo]) -> Arrays:
    """Return found (n,), box (n, 4) and landmarks (n, 68, 2), in the enlarged picture; called in a worker."""
    pictures = [_enlarged(photo) for photo in photos]
    faces = [central_face(instruments().engine.detect(picture), picture) for picture in pictures]
    return {"found": np.array([face is not None for face in faces])} | where(faces)


def read_enlarged(subjects: Sequence[Subject], method: Method) -> Arrays:
    """Return `likely` (n, 7) in the outputs, by the landmarks found there, else by the original's.

    Called in a worker.
    """
    engine, chips = instruments().engine, []
    for subject in subjects:
        output = method.apply(_enlarged(subject.photo), subject.face, "expression", subject.photo.path)
        face = nearest(engine.detect(output), subject.face) or subject.face
        chips.append(expression_chip(output, face.landmarks))
    return {"likely": ExpressionReader(threads=1).read(np.stack(chips))}


def _enlarged(photo: Photo) -> RgbImage:
    large = cv2.resize(read_photo(photo), None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, dtype=np.uint8)
