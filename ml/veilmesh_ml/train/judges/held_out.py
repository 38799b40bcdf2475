"""What an anonymizer does to the people held out of a training: leak first, then looks.

The packed canvases are the photos, doubled, so that a detector finds faces on them. Leak is re-identification
as in `evaluate anonymizers`: an output against other photos of its person, at the threshold that non-mated
comparisons of that very kind give. Few people are held out, so a leak comes with the upper end of its
interval, and checkpoints within it count as equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.anonymizer import Anonymizer
from veilmesh_ml.errors import ModelError
from veilmesh_ml.evaluate.distributions import frechet_distance
from veilmesh_ml.evaluate.instruments import ENGINE_JUDGE, Instruments, Judge
from veilmesh_ml.evaluate.reidentification import FaceSet, reidentify
from veilmesh_ml.evaluate.utility import FOUND_AGAIN_OVERLAP, normalised_mean_error
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.train.choose import Scored
from veilmesh_ml.train.packed import Packed, decode

LEAK: Final = "leak"  # "leak NAME", of an encoder; "leak NAME high", the upper end of its interval
FOUND, NME, FRECHET = "found", "nme", "frechet"
FOUND_BAR: Final = 0.99
_ENLARGED: Final = 2
_PROBED_PEOPLE: Final = 150
_PHOTOS_EACH: Final = 3
_STRANGERS: Final = 350
_FEWEST: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Photos of people held out, and what is known of them.

    Attributes:
        instruments: what they are looked at with.
        images: uint8 (height, width, 3) each.
        faces: as the engine finds them, or where they were packed.
        people: int64 (n,), a number per person.
        probes: which are anonymized, indices.
        features: of all, by the judging encoders' names.
        digest: SHA-256 (hex) of photos and encoders.
    """

    instruments: Instruments = field(repr=False)
    images: Sequence[RgbImage] = field(repr=False)
    faces: Sequence[Face] = field(repr=False)
    people: NDArray[np.int64] = field(repr=False)
    probes: NDArray[np.intp] = field(repr=False)
    features: Mapping[str, NDArray[np.float64]] = field(repr=False)
    digest: str

    @classmethod
    def of(cls, packed: Packed, instruments: Instruments) -> "HeldOut":
        """Look at the held-out people of a packed file: those of several photos, and others as strangers.

        Raises:
            ModelError: nobody is held out of whom there are two photos, or nobody else.
        """
        faces, _ = packed.require_faces()
        chosen, probed = _chosen(faces.people, np.flatnonzero(faces.held_out))
        pictures = decode([faces.pictures[index] for index in chosen])
        side = pictures.shape[1] * _ENLARGED
        images = [
            np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
            for picture in pictures
        ]
        found = [
            _found(instruments, image, landmarks)
            for image, landmarks in zip(images, faces.landmarks[chosen] * _ENLARGED, strict=True)
        ]
        features = {name: _encoded(judge, images, found) for name, judge in instruments.judges.items()}
        known = packed.digest + "".join(judge.digest for judge in instruments.judges.values())
        return cls(
            instruments,
            images,
            found,
            faces.people[chosen].astype(np.int64),
            np.arange(probed),
            features,
            sha256(known.encode()).hexdigest(),
        )

    def judge(self, anonymizer: Anonymizer) -> Mapping[str, float]:
        """Return leak, share of faces found again, landmark error and the Fréchet distance of outputs."""
        outputs = [
            anonymizer.anonymize(self.images[index], [self.faces[index]]).image for index in self.probes
        ]
        before = [self.faces[index] for index in self.probes]
        again = [_again(self.instruments, output, face) for output, face in zip(outputs, before, strict=True)]
        after = [one or other for one, other in zip(again, before, strict=True)]
        features = {name: _encoded(judge, outputs, after) for name, judge in self.instruments.judges.items()}
        kept = [(old.landmarks, new.landmarks) for old, new in zip(before, again, strict=True) if new]
        scores = {}
        for name, found in features.items():
            outcome = self._reidentified(name, found)
            scores[f"{LEAK} {name}"] = outcome[0]
            scores[f"{LEAK} {name} high"] = outcome[1]
        scores[FOUND] = len(kept) / len(before)
        scores[NME] = (
            float(np.mean(normalised_mean_error(*map(np.stack, zip(*kept, strict=True))))) if kept else 1.0
        )
        real = self.features[ENGINE_JUDGE][self.probes]
        scores[FRECHET] = frechet_distance(real, features[ENGINE_JUDGE])
        return scores

    def _reidentified(self, name: str, outputs: NDArray[np.float64]) -> tuple[float, float]:
        """How often an output is recognised, and the upper end of the interval."""
        _, first = np.unique(self.people, return_index=True)
        everybody = np.arange(len(self.people))
        references = self.features[name]
        outcome = reidentify(
            FaceSet(outputs, self.people[self.probes], self.probes),
            FaceSet(references, self.people, everybody),
            FaceSet(references[first], self.people[first], first),
        )
        return outcome.tpr.value, outcome.tpr.interval[1]


def leak(scored: Scored) -> tuple[float, float]:
    """Return the worst leak of a checkpoint over the encoders, and the upper end of that one's interval."""
    leaks = [
        (value, scored.scores[f"{name} high"])
        for name, value in scored.scores.items()
        if name.startswith(LEAK) and not name.endswith(" high")
    ]
    return max(leaks)


def least_leaking_best_looking(scored: Sequence[Scored]) -> Scored:
    """Of those whose leak may well be the least, one whose faces are found; of these the most lifelike."""
    _, limit = min(leak(each) for each in scored)
    safe = [each for each in scored if leak(each)[0] <= limit]
    return min(safe, key=lambda each: (each.scores[FOUND] < FOUND_BAR, each.scores[FRECHET]))


def _chosen(people: NDArray[np.int32], held_out: NDArray[np.intp]) -> tuple[NDArray[np.intp], int]:
    """Photos to look at: those to anonymize first, how many these are."""
    photos: dict[int, list[int]] = {}
    for index in held_out:
        photos.setdefault(int(people[index]), []).append(int(index))
    several = [own for own in photos.values() if len(own) >= _FEWEST][:_PROBED_PEOPLE]
    probes = [index for own in several for index in own[:_PHOTOS_EACH]]
    strangers = [own[0] for own in photos.values() if len(own) < _FEWEST][:_STRANGERS]
    if not several or len(several) + len(strangers) < _FEWEST:
        raise ModelError(
            f"{len(several)} people with several photos and {len(strangers)} others are held out",
            hint="prepare photos of more people, and hold out some of whom there are several photos",
        )
    return np.array(probes + strangers, dtype=np.intp), len(probes)


def _found(instruments: Instruments, image: RgbImage, landmarks: NDArray[np.float32]) -> Face:
    """The face that was packed, as the engine sees it now; as it was packed where it does not."""
    points = np.rint(landmarks).astype(np.int64)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    packed = Face(Box(int(left), int(top), int(right), int(bottom)), points, 0.0)
    return _again(instruments, image, packed) or packed


def _again(instruments: Instruments, image: RgbImage, known: Face) -> Face | None:
    """The face that the engine finds where one is known; None where it finds none."""
    overlaps = [(face.box.overlap(known.box), face) for face in instruments.engine.detect(image)]
    overlap, face = max(overlaps, key=lambda each: each[0], default=(0.0, None))
    return face if overlap >= FOUND_AGAIN_OVERLAP else None


def _encoded(judge: Judge, images: Sequence[RgbImage], faces: Sequence[Face]) -> NDArray[np.float64]:
    return judge.encode([judge.align(image, face) for image, face in zip(images, faces, strict=True)])
