"""Photos to features, for an evaluation: each photo's face, or why there is none.

Which face: that whose centre is nearest to the middle of the photo, which is LFW's convention. A face
farther away than `CENTRED_WITHIN` is somebody else's. Where no nearer one is found, the engine looks
thoroughly, and where that finds none either, the photo is a failure to acquire.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine
from veilmesh_ml.errors import ImageError
from veilmesh_ml.face import Face
from veilmesh_ml.face_measures import measure_face
from veilmesh_ml.image import RgbImage, read_file, read_image
from veilmesh_ml.quality import assess_for_enrolment, check_face, score_face

CENTRED_WITHIN = 0.25  # of the photo's shorter side, from the middle of the photo to the middle of the face
BATCH = 32
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
    for start in range(0, len(photos), BATCH):
        found.update(_batch(engine, photos[start : start + BATCH], kept))
        on_progress(len(found))
    return {path: found[path] for path in photos}


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    """A photo that was searched for its face: what is known without the encoder, and the face's chip."""

    path: Path
    photo_sha256: str
    sample: Sample
    chip: RgbImage | None


def _batch(engine: Engine, paths: Sequence[Path], kept: Kept) -> Iterator[tuple[Path, Sample]]:
    looked: list[_Looked] = []
    for path in paths:
        try:
            content = read_file(path)
            photo_sha256 = sha256(content).hexdigest()
            earlier = kept.find(photo_sha256)
            if earlier is None:
                looked.append(_look(engine, path, photo_sha256, read_image(content)))
        except ImageError as err:
            earlier = Sample(None, None, 0, str(err), {}, (str(err),))
        if earlier is not None:
            yield path, earlier
    encoded = _encoded(engine, looked)
    kept.add({photo.photo_sha256: sample for photo, sample in zip(looked, encoded, strict=True)})
    yield from zip((photo.path for photo in looked), encoded, strict=True)


def _look(engine: Engine, path: Path, photo_sha256: str, image: RgbImage) -> _Looked:
    faces = engine.detect(image)
    face = centred(faces, image)
    if face is None:
        faces = engine.detect(image, thorough=True)
        face = centred(faces, image)
    if face is None:
        failure = "no face in the middle of the photo" if faces else "no face was found"
        refusals = assess_for_enrolment(image, faces).reasons
        return _Looked(path, photo_sha256, Sample(None, None, len(faces), failure, {}, refusals), None)
    measured = measure_face(image, face)
    report = check_face(measured) if len(faces) == 1 else assess_for_enrolment(image, faces)
    sample = Sample(None, None, len(faces), "", score_face(measured).scores, report.reasons)
    return _Looked(path, photo_sha256, sample, engine.align(image, face))


def centred(faces: Sequence[Face], image: RgbImage) -> Face | None:
    """Return the face nearest to the middle of the photo; None where none is near enough to be meant."""
    height, width, _ = image.shape

    def distance(face: Face) -> float:
        box = face.box
        return float(np.hypot((box.left + box.right - width) / 2, (box.top + box.bottom - height) / 2))

    nearest = min(faces, key=distance, default=None)
    within = CENTRED_WITHIN * min(height, width)
    return nearest if nearest is not None and distance(nearest) <= within else None


def _encoded(engine: Engine, looked: Sequence[_Looked]) -> list[Sample]:
    """Return the samples, those with a chip with their features."""
    chips = [photo.chip for photo in looked if photo.chip is not None]
    if not chips:
        return [photo.sample for photo in looked]
    upright = np.stack(chips)
    pairs = zip(engine.encode_chips(upright), engine.encode_chips(upright[:, :, ::-1]), strict=True)
    return [
        photo.sample if photo.chip is None else _with_features(photo.sample, *next(pairs)) for photo in looked
    ]


def _with_features(sample: Sample, features: Features, mirrored: Features) -> Sample:
    return replace(sample, features=features, mirrored=mirrored)
