"""Photos to features, for an evaluation: each photo's face, or why there is none.

Which face: that whose centre is nearest to the middle of the photo, which is LFW's convention. A face
farther away than `CENTRED_WITHIN` is somebody else's. Where no nearer one is found, the engine looks
thoroughly, and where that finds none either, the photo is a failure to acquire.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from veilmesh_ml.acquisition import Chips, look_in_batches
from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import CHIP_PX, Engine
from veilmesh_ml.errors import ImageError
from veilmesh_ml.face import Face
from veilmesh_ml.face_measures import measure_face
from veilmesh_ml.image import RgbImage, read_file, read_image
from veilmesh_ml.quality import assess_for_enrolment, check_face, score_face

CENTRED_WITHIN = 0.25  # of the photo's shorter side, from the middle of the photo to the middle of the face
VERSION = 2  # of everything here, in `quality` and in how engines look, that a kept sample depends on


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What came of one photo.

    Attributes:
        features: float64 (d,); None where there is no usable face.
        mirrored: the same, of the mirrored chip.
        faces: how many were found.
        failure: why there are no features, for people; empty where there are.
        quality: "unified" and each component by name, 0 to 100, of the centred face.
        refusals: why nobody would be enrolled from this photo; empty where somebody would.
    """

    features: Features | None = field(repr=False)
    mirrored: Features | None = field(repr=False)
    faces: int
    failure: str
    quality: Mapping[str, float]
    refusals: tuple[str, ...]


class Kept(Protocol):
    """What was made in an earlier run, by the photo's SHA-256."""

    def find(self, photo_sha256: str) -> Sample | None: ...

    def add(self, samples: Mapping[str, Sample]) -> None: ...


def method_of(engine: Engine) -> str:
    """Name everything that a sample depends on besides the photo."""
    return f"{VERSION}/{engine.model_digest}/{engine.landmarks_digest}/{engine.name}/{engine.detector}"


def acquire(
    engine: Engine, photos: Sequence[Path], kept: Kept, on_progress: Callable[[int], None]
) -> dict[Path, Sample]:
    """Return what came of every photo, in their order; what an earlier run kept is not made again.

    Args:
        engine: finds, aligns and encodes.
        photos: a photo that cannot be read is a failure to acquire, too.
        kept: every batch is put there as soon as it is made.
        on_progress: called with the number of photos done.
    """
    found: dict[Path, Sample] = {}

    def not_kept() -> Iterator[_Photo]:
        for path in photos:
            try:
                photo = _Photo(path, read_file(path))
            except ImageError as err:
                found[path] = _unreadable(err)
                continue
            earlier = kept.find(photo.sha256)
            if earlier is None:
                yield photo
            else:
                found[path] = earlier

    for batch in look_in_batches(engine, not_kept(), partial(_look, engine)):
        made = [(photo, _with_features(sample, features)) for (photo, sample), features in batch]
        kept.add({photo.sha256: sample for photo, sample in made})
        found.update((photo.path, sample) for photo, sample in made)
        on_progress(len(found))
    on_progress(len(photos))
    return {path: found[path] for path in photos}


def sample_of(engine: Engine, content: bytes) -> Sample:
    """Return what comes of one photo's bytes."""
    (_, sample), chips = _look(engine, _Photo(Path("the photo"), content))
    return _with_features(sample, engine.encode_chips(chips))


@dataclass(frozen=True, slots=True, eq=False)
class _Photo:
    path: Path
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


def _look(engine: Engine, photo: _Photo) -> tuple[tuple[_Photo, Sample], Chips]:
    """Return what is known of a photo without the encoder, and its face's chip and that mirrored, or none."""
    nothing = np.empty((0, CHIP_PX, CHIP_PX, 3), np.uint8)
    try:
        image = read_image(photo.content)
    except ImageError as err:
        return (photo, _unreadable(err)), nothing
    faces = engine.detect(image)
    face = centred(faces, image)
    if face is None:
        faces = engine.detect(image, thorough=True)
        face = centred(faces, image)
    if face is None:
        failure = "no face in the middle of the photo" if faces else "no face was found"
        refusals = assess_for_enrolment(image, faces).reasons
        return (photo, Sample(None, None, len(faces), failure, {}, refusals)), nothing
    measured = measure_face(image, face)
    report = check_face(measured) if len(faces) == 1 else assess_for_enrolment(image, faces)
    sample = Sample(None, None, len(faces), "", score_face(measured).scores, report.reasons)
    chip = engine.align(image, face)
    return (photo, sample), np.stack([chip, chip[:, ::-1]])


def _unreadable(err: ImageError) -> Sample:
    return Sample(None, None, 0, str(err), {}, (str(err),))


def _with_features(sample: Sample, features: Features) -> Sample:
    """Enter the features of chip and mirrored chip, where there are any."""
    return replace(sample, features=features[0], mirrored=features[1]) if len(features) else sample


def centred(faces: Sequence[Face], image: RgbImage) -> Face | None:
    """Return the face nearest to the middle of the photo; None where none is near enough to be meant."""
    height, width, _ = image.shape

    def distance(face: Face) -> float:
        box = face.box
        return float(np.hypot((box.left + box.right - width) / 2, (box.top + box.bottom - height) / 2))

    nearest = min(faces, key=distance, default=None)
    within = CENTRED_WITHIN * min(height, width)
    return nearest if nearest is not None and distance(nearest) <= within else None
