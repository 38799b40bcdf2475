"""What a worker process measures on a block of photos.

Every function here takes photos or subjects and gives arrays, one row each; what the rows mean for privacy is
judged elsewhere, from all blocks together.
"""

import hashlib
import inspect
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from veilmesh_ml.anonymizers import AnonymizedImage, Anonymizer, load_anonymizer
from veilmesh_ml.attacks import ATTACKED_FACE_PX, STANDARD_ATTACKS
from veilmesh_ml.evaluate.blocks import Arrays
from veilmesh_ml.evaluate.instruments import ENGINE_JUDGE, Instruments
from veilmesh_ml.evaluate.small_cnn import CROP_PX
from veilmesh_ml.evaluate.trials import Photo
from veilmesh_ml.face import Box, Face
from veilmesh_ml.folder_job import one_thread_a_process
from veilmesh_ml.image import RgbImage, read_image
from veilmesh_ml.keystream import derive
from veilmesh_ml.regions import surroundings

OUTPUTS_AVERAGED = 10
JUDGED_WINDOW_GROWTH = 0.25  # of the face's box, on every side: where SSIM and PSNR are measured
SAME_FACE_OVERLAP = 0.5  # intersection over union, as in S4 and most detection benchmarks
_KEY = hashlib.sha256(b"veilmesh evaluate anonymizers").digest()  # every photo's own is derived from it


@dataclass(frozen=True, slots=True)
class Method:
    """An anonymizer under test: `name` in reports, and how to make it. No anonymizer: the original itself."""

    name: str
    anonymizer: str | None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def keyed(self) -> bool:
        """Whether outputs differ from key to key."""
        return self.anonymizer is not None and "key" in inspect.signature(type(self.make())).parameters

    def make(self, key: bytes | None = None) -> Anonymizer:
        """Load it, with a key where one is given."""
        if self.anonymizer is None:
            raise ValueError("the original is made by no anonymizer")
        return load_anonymizer(self.anonymizer, **self.parameters, **({"key": key} if key else {}))

    def apply(self, image: RgbImage, face: Face, *seed: str | int) -> RgbImage:
        """Anonymize one face with the key that belongs to this seed."""
        return self.anonymize(image, face, *seed).image

    def anonymize(self, image: RgbImage, face: Face, *seed: str | int) -> AnonymizedImage:
        """Do what `apply` does, and say where."""
        if self.anonymizer is None:
            return AnonymizedImage(image, self.name, {}, ())
        key = derive(_KEY, self.name, *seed) if self.keyed else None
        return self.make(key).anonymize(image, [face])


ORIGINAL = Method("original", None)


@dataclass(frozen=True, slots=True)
class Subject:
    """A photo with the face that is judged."""

    photo: Photo
    face: Face = field(repr=False)


def subjects_of(photos: Sequence[Photo], originals: Arrays) -> list[Subject]:
    """Return the photos in which a face was found, with it; `originals` are found, box and landmarks."""
    return [
        Subject(photo, Face(Box(*map(int, originals["box"][row])), originals["landmarks"][row], 0.0))
        for row, photo in enumerate(photos)
        if originals["found"][row]
    ]


class Photos(Protocol):
    """Where a process gets photos from."""

    def __getitem__(self, path: str) -> Path | bytes:
        """Return a photo's file, or its content."""
        ...


@dataclass(frozen=True, slots=True)
class PhotosIn:
    """Those of a folder, to which their paths are relative."""

    folder: Path

    def __getitem__(self, path: str) -> Path:
        return self.folder / path


_at_hand: dict[str, Any] = {}


def set_up_worker(photos: Photos, attackers: Sequence[Path]) -> None:
    """Load what this process measures with, on these photos."""
    one_thread_a_process()
    _at_hand["instruments"] = Instruments.load(attackers)
    have_photos(photos)


def have_photos(photos: Photos) -> None:
    """Have this process measure on these photos from now on."""
    _at_hand["photos"] = photos


def instruments() -> Instruments:
    """What this process measures with."""
    loaded: Instruments = _at_hand["instruments"]
    return loaded


def measure_originals(photos: Sequence[Photo]) -> Arrays:
    """Find the central face of each photo.

    Returns:
        found (n,), box (n, 4), landmarks (n, 68, 2), crops (n, 32, 32, 3), and `features NAME` (n, d) for
        each judge; zeros where no face was found.
    """
    at_hand = instruments()
    images = [read_photo(photo) for photo in photos]
    faces = [central_face(at_hand.engine.detect(image), image) for image in images]
    shown = [(image, face) for image, face in zip(images, faces, strict=True) if face is not None]
    found = np.array([face is not None for face in faces])
    arrays: dict[str, NDArray[Any]] = {
        "box": np.array([edges(face.box) for _, face in shown], np.int64).reshape(-1, 4),
        "landmarks": np.array([face.landmarks for _, face in shown], np.int64).reshape(-1, 68, 2),
        **_looks(shown),
    }
    return {"found": found} | {name: _spread(rows, found) for name, rows in arrays.items()}


def measure_labelled(photos: Sequence[Photo]) -> Arrays:
    """Return found (n,) and the central faces' features (n, 128) by the engine; zeros where there is none."""
    at_hand = instruments()
    images = [read_photo(photo) for photo in photos]
    faces = [central_face(at_hand.engine.detect(image), image) for image in images]
    found = np.array([face is not None for face in faces])
    judge = at_hand.judges[ENGINE_JUDGE]
    chips = [judge.align(image, face) for image, face in zip(images, faces, strict=True) if face is not None]
    return {"found": found, "features": _spread(judge.encode(chips), found)}


def measure_outputs(subjects: Sequence[Subject], method: Method, role: str) -> Arrays:
    """Anonymize each photo once, with a key of its own.

    Args:
        subjects: the photos.
        method: how.
        role: who does it; another role has other keys.

    Returns:
        crops (n, 32, 32, 3) and `features NAME` (n, d) for each judge, by the original's landmarks.
    """
    shown = []
    for subject in subjects:
        output = method.apply(read_photo(subject.photo), subject.face, role, subject.photo.path)
        shown.append((output, subject.face))
    return _looks(shown)


def measure_probes(subjects: Sequence[Subject], method: Method) -> Arrays:
    """Anonymize each photo and measure all that is asked of an output.

    Returns:
        What `measure_outputs` does, and
        `features NAME, found again` by the landmarks found in the output, else by the original's;
        `features NAME, ATTACK` after each restoration;
        box (n, 4) and landmarks (n, 68, 2) that HOG finds there, zeros where no face is;
        ssim, psnr, changed, cpu_ms (n,).
    """
    at_hand = instruments()
    originals = [read_photo(subject.photo) for subject in subjects]
    outputs, cpu_ms = [], []
    for subject, original in zip(subjects, originals, strict=True):
        started = time.process_time()
        outputs.append(method.apply(original, subject.face, "probe", subject.photo.path))
        cpu_ms.append((time.process_time() - started) * 1000)
    known = [subject.face for subject in subjects]
    again = [
        nearest(at_hand.engine.detect(output), face) for output, face in zip(outputs, known, strict=True)
    ]
    marked = [face if other is None else other for face, other in zip(known, again, strict=True)]
    arrays = dict(_looks(zip(outputs, known, strict=True)))
    arrays |= _features(zip(outputs, marked, strict=True), ", found again")
    arrays |= _restored(outputs, known)
    arrays |= where(again)
    pairs = list(zip(originals, outputs, known, strict=True))
    arrays["ssim"] = np.array([ssim(*_windows(*pair)) for pair in pairs])
    arrays["psnr"] = np.array([psnr_db(*_windows(*pair)) for pair in pairs])
    arrays["changed"] = np.array([float((a != b).any(axis=2).mean()) for a, b, _ in pairs])
    arrays["cpu_ms"] = np.array(cpu_ms)
    return arrays


def measure_found_again(subjects: Sequence[Subject], method: Method) -> Arrays:
    """Return box (n, 4) and landmarks (n, 68, 2) that HOG finds in the outputs, zeros where no face is."""
    at_hand = instruments()
    return where(
        [
            nearest(
                at_hand.engine.detect(
                    method.apply(read_photo(subject.photo), subject.face, "probe", subject.photo.path)
                ),
                subject.face,
            )
            for subject in subjects
        ]
    )


def measure_detection(subjects: Sequence[Subject], method: Method) -> Arrays:
    """Return box (n, 4): what MMOD finds in the outputs nearest to the face, zeros where that is nothing."""
    boxes = []
    for subject in subjects:
        output = method.apply(read_photo(subject.photo), subject.face, "probe", subject.photo.path)
        boxes.append(nearest_box(instruments().find_by_mmod(output), subject.face.box))
    return {"box": np.array([edges(box) for box in boxes])}


def measure_averages(subjects: Sequence[Subject], method: Method) -> Arrays:
    """Anonymize each photo ten times, with ten keys, and put the results together.

    Returns:
        `features NAME, mean picture` of the outputs' mean, pixel by pixel, and
        `features NAME, mean features`, the mean over the ten outputs.
    """
    averaged, of_each = [], []
    for subject in subjects:
        original = read_photo(subject.photo)
        outputs = [
            method.apply(original, subject.face, "average", subject.photo.path, seed)
            for seed in range(OUTPUTS_AVERAGED)
        ]
        mean = np.mean(outputs, axis=0, dtype=np.float64)
        averaged.append((np.rint(mean).astype(np.uint8), subject.face))
        of_each.append(_features(((output, subject.face) for output in outputs), ", mean features"))
    arrays = dict(_features(averaged, ", mean picture"))
    for name in of_each[0]:
        arrays[name] = np.stack([each[name].mean(axis=0) for each in of_each])
    return arrays


def fingerprint(subject: Subject, method: Method) -> str:
    """SHA-256 (hex) of one output and of what attacks restore from it.

    Another version of a method, of its weights or of an attack gives another.
    """
    output = method.apply(read_photo(subject.photo), subject.face, "fingerprint")
    window, face = surroundings(output, subject.face, ATTACKED_FACE_PX)
    digest = hashlib.sha256(output.tobytes())
    for attack in STANDARD_ATTACKS:
        digest.update(attack.name.encode() + attack.restore(window, float(face.box.width)).tobytes())
    return digest.hexdigest()


def central_face(faces: Sequence[Face], image: RgbImage) -> Face | None:
    """Return the face nearest to the picture's centre: in such collections the person named."""
    height, width, _ = image.shape

    def off_centre(face: Face) -> int:
        box = face.box
        return abs(box.left + box.right - int(width)) + abs(box.top + box.bottom - int(height))

    return min(faces, key=off_centre, default=None)


def nearest(faces: Sequence[Face], known: Face) -> Face | None:
    """Return the found face that overlaps the known one most, and by half or more."""
    best = max(faces, key=lambda face: face.box.overlap(known.box), default=None)
    return best if best is not None and best.box.overlap(known.box) >= SAME_FACE_OVERLAP else None


def nearest_box(boxes: Sequence[Box], known: Box) -> Box | None:
    """Return the box that overlaps the known face most, if it does at all."""
    best = max(boxes, key=known.overlap, default=None)
    return best if best is not None and best.overlap(known) > 0 else None


def read_photo(photo: Photo) -> RgbImage:
    """Read one of the photos at hand."""
    return read_image(_at_hand["photos"][photo.path])


def _looks(shown: Iterable[tuple[RgbImage, Face]]) -> Arrays:
    """Crops and features."""
    shown = list(shown)
    crops = [_crop(image, face) for image, face in shown]
    return {
        "crops": np.array(crops, np.uint8).reshape(-1, CROP_PX, CROP_PX, 3),
        **_features(shown, ""),
    }


def _features(shown: Iterable[tuple[RgbImage, Face]], suffix: str) -> dict[str, NDArray[Any]]:
    shown = list(shown)
    return {
        f"features {name}{suffix}": judge.encode([judge.align(image, face) for image, face in shown]).astype(
            np.float32
        )
        for name, judge in instruments().judges.items()
    }


def _restored(outputs: Sequence[RgbImage], known: Sequence[Face]) -> dict[str, NDArray[Any]]:
    """Features after each attack, by the landmarks that the original had."""
    arrays: dict[str, NDArray[Any]] = {}
    windows = [
        surroundings(output, face, ATTACKED_FACE_PX) for output, face in zip(outputs, known, strict=True)
    ]
    for attack in STANDARD_ATTACKS:
        restored = [(attack.restore(window, float(face.box.width)), face) for window, face in windows]
        arrays |= _features(restored, f", {attack.name}")
    return arrays


def _crop(image: RgbImage, face: Face) -> RgbImage:
    chip = instruments().engine.align(image, face)
    return np.asarray(cv2.resize(chip, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _windows(original: RgbImage, output: RgbImage, face: Face) -> tuple[RgbImage, RgbImage]:
    box = face.box.grown(JUDGED_WINDOW_GROWTH).within(*original.shape[:2])
    rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
    return original[rows, columns], output[rows, columns]


def ssim(original: RgbImage, output: RgbImage) -> float:
    """Structural similarity, 1 where nothing changed (Wang et al., 2004)."""
    return float(structural_similarity(original, output, channel_axis=2))  # type: ignore[no-untyped-call]  # has no annotations


def psnr_db(original: RgbImage, output: RgbImage) -> float:
    """Peak signal-to-noise ratio in dB; infinite where nothing changed."""
    error = float(np.mean((original.astype(np.float64) - output) ** 2))
    return float(10 * np.log10(255**2 / error)) if error else math.inf


def edges(box: Box | None) -> tuple[int, int, int, int]:
    """A box as a row of numbers; zeros for none."""
    return (0, 0, 0, 0) if box is None else (box.left, box.top, box.right, box.bottom)


def where(faces: Sequence[Face | None]) -> dict[str, NDArray[Any]]:
    """Return box (n, 4) and landmarks (n, 68, 2); zeros for none."""
    nowhere = np.zeros((68, 2), np.int64)
    return {
        "box": np.array([edges(None if face is None else face.box) for face in faces]),
        "landmarks": np.array([nowhere if face is None else face.landmarks for face in faces]),
    }


def _spread(rows: NDArray[Any], found: NDArray[np.bool_]) -> NDArray[Any]:
    """Put rows in their photos' places, zeros elsewhere."""
    spread = np.zeros((len(found), *rows.shape[1:]), rows.dtype)
    spread[found] = rows
    return spread
