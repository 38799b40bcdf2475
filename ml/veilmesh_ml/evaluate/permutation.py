"""S4's table again: what `permute` does to a picture, beside the baselines it was published with.

On LFW and AT&T, for n from 4,500 to 9,360 pixels: SSIM and PSNR over the whole picture, faces found before
and after by two detectors, quality before and after by our own score, and the Euclidean distance to the
average face in the space of principal components. None of these says whether the person can still be
recognised; that is `anonymizers`' question.

Source: S4, sections 2.3, 2.6 and 3.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.errors import ParameterError
from veilmesh_ml.evaluate import measuring
from veilmesh_ml.evaluate.blocks import Arrays, BlockRunner, PoolMeasurers, Progress, worker_pool
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.evaluate.measuring import ORIGINAL, Subject, psnr_db, ssim
from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.treatments import BASELINES, CAE, PermuteAlike, Treatment, permute_method
from veilmesh_ml.evaluate.trials import Photo
from veilmesh_ml.evaluate.utility import found_again
from veilmesh_ml.face import Box, Face
from veilmesh_ml.face_measures import measure_face
from veilmesh_ml.image import read_image
from veilmesh_ml.quality import score_face
from veilmesh_ml.regions import key_region

SWEEP = (4500, 5500, 6500, 7500, 8000, 8500, 9360)  # S4's figures 5 and 6; its tables are at 8,000
TABLE_N = 8000
THUMBNAIL_PX = 64  # side, at which principal components are taken
COMPONENTS = 50
DEFAULT_PHOTOS = 400  # of each collection; AT&T has no more
COLLECTIONS: Mapping[str, tuple[str, str]] = {"LFW": ("lfw", "*/*.jpg"), "AT&T": ("orl", "*/*.pgm")}


@dataclass(frozen=True, slots=True)
class Published:
    """S4's own figures for a treatment: table 2 (LFW) or the ends of figures 5 and 6 (AT&T)."""

    ssim: float
    psnr_db: float


PUBLISHED: Mapping[tuple[str, str], Published] = {
    ("LFW", "permute 8000"): Published(0.8549, 23.89),
    ("LFW", "occlusion"): Published(0.7614, 15.78),
    ("LFW", "noise 0.2"): Published(0.5238, 12.98),
    ("LFW", "noise 0.2, whole picture"): Published(0.5238, 12.98),
    ("LFW", "noise 0.8"): Published(0.1576, 3.49),
    ("LFW", "noise 0.8, whole picture"): Published(0.1576, 3.49),
    ("LFW", "superpixel 16 x 16"): Published(0.8139, 22.67),
    ("LFW", "superpixel 24 x 24"): Published(0.8247, 19.86),
    ("LFW", CAE): Published(0.8254, 23.44),
    ("AT&T", "permute 4500"): Published(0.6989, 29.9478),
    ("AT&T", "permute 9360"): Published(0.5465, 20.7846),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One treatment of one collection.

    Attributes:
        collection, treatment: names.
        pixels: permuted on average; None for what is no permutation.
        ssim, psnr_db: against the original, whole picture.
        hog, mmod: pictures in which the detector finds the face.
        quality: our unified score, 0 to 100.
        distance: to the average face, in grey levels a pixel (root mean square).
        farthest: the largest such distance.
        published: S4's figures, where it has some.
    """

    collection: str
    treatment: str
    pixels: Estimate | None
    ssim: Estimate
    psnr_db: Estimate
    hog: Rate
    mmod: Rate
    quality: Estimate
    distance: Estimate
    farthest: float
    published: Published | None

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        published = self.published
        return {
            "collection": self.collection,
            "treatment": self.treatment,
            "pixels_permuted": None if self.pixels is None else self.pixels.document(),
            "ssim": self.ssim.document(),
            "psnr_db": self.psnr_db.document(),
            "found_hog": self.hog.document(),
            "found_mmod": self.mmod.document(),
            "quality": self.quality.document(),
            "distance_to_average_face": self.distance.document(),
            "farthest_from_average_face": round(self.farthest, 3),
            "published": None
            if published is None
            else {"ssim": published.ssim, "psnr_db": published.psnr_db},
        }


@dataclass(frozen=True, slots=True)
class PermutationResult:
    """All rows, each collection's "original" first, and of how many photos a face was found."""

    rows: Sequence[Row]
    photos: Mapping[str, Rate]


def evaluate_permutation(
    data: Path, cache: Path, progress: Progress, photos: int = DEFAULT_PHOTOS, workers: int | None = None
) -> PermutationResult:
    """Run the evaluation.

    Args:
        data: folder with `lfw` or `orl` or both.
        cache: folder for finished blocks.
        progress: told what is under way.
        photos: of each collection, evenly spread over it.
        workers: processes; by default one a core.

    Raises:
        ParameterError: neither collection is there.
    """
    rows: list[Row] = []
    counted: dict[str, Rate] = {}
    digest = Instruments.load(()).engine.model_digest
    with worker_pool(
        workers or len(os.sched_getaffinity(0)), measuring.set_up_worker, measuring.PhotosIn(data), ()
    ) as pool:
        runner = BlockRunner(cache, PoolMeasurers(pool))
        for name, (folder, pattern) in COLLECTIONS.items():
            chosen = _spread_over(sorted((data / folder).glob(pattern)), photos)
            if chosen:
                collection = _Collection(name, data, runner, digest, progress)
                found = collection.measure([Photo("", path.relative_to(data).as_posix()) for path in chosen])
                rows += found[0]
                counted[name] = found[1]
    if not rows:
        raise ParameterError(f"{data} has neither lfw/NAME/*.jpg nor orl/NAME/*.pgm with faces")
    return PermutationResult(rows, counted)


def measure_treated(subjects: Sequence[Subject], data: Path, treatment: Treatment) -> Arrays:
    """Treat each photo; called in a worker.

    Returns:
        ssim, psnr, quality (n,), hog and mmod boxes (n, 4), zeros where no face is found, thumbnails
        (n, 64, 64).
    """
    instruments = measuring.instruments()
    measured: dict[str, list[Any]] = {
        name: [] for name in ("ssim", "psnr", "quality", "hog", "mmod", "thumbnails")
    }
    for subject in subjects:
        original = read_image(data / subject.photo.path)
        treated = treatment.apply(original, subject.face, "photo", subject.photo.path)
        box = subject.face.box
        by_hog = [face.box for face in instruments.engine.detect(treated)]
        measured["ssim"].append(ssim(original, treated))
        measured["psnr"].append(psnr_db(original, treated))
        measured["quality"].append(score_face(measure_face(treated, subject.face)).unified)
        measured["hog"].append(measuring.edges(measuring.nearest_box(by_hog, box)))
        measured["mmod"].append(
            measuring.edges(measuring.nearest_box(instruments.find_by_mmod(treated), box))
        )
        grey = cv2.cvtColor(treated, cv2.COLOR_RGB2GRAY)
        measured["thumbnails"].append(
            cv2.resize(grey, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
        )
    return {name: np.array(values) for name, values in measured.items()}


def fingerprint(subject: Subject, data: Path, treatment: Treatment) -> str:
    """SHA-256 (hex) of one treated photo and its quality: another version of either gives another."""
    treated = treatment.apply(read_image(data / subject.photo.path), subject.face, "fingerprint")
    quality = score_face(measure_face(treated, subject.face)).unified
    return hashlib.sha256(treated.tobytes() + repr(quality).encode()).hexdigest()


class AverageFace:
    """The mean of some thumbnails and the components about it, by the small matrix of S4's section 2.3."""

    def __init__(self, thumbnails: NDArray[np.uint8]) -> None:
        flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float64)
        self._mean = flat.mean(axis=0)
        centred = flat - self._mean
        values, vectors = np.linalg.eigh(centred @ centred.T)  # L = A' A: as large as there are pictures
        leading = np.argsort(-values)[: min(COMPONENTS, len(flat) - 1)]
        basis = centred.T @ vectors[:, leading]
        self._basis = basis / (np.linalg.norm(basis, axis=0) + 1e-12)

    def distances(self, thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the distance of each projection to the average face, grey levels a pixel, (n,)."""
        flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float64)
        projected = (flat - self._mean) @ self._basis
        return np.asarray(np.linalg.norm(projected, axis=1) / np.sqrt(flat.shape[1]))


@dataclass(frozen=True, slots=True)
class _Collection:
    name: str
    data: Path
    runner: BlockRunner
    digest: str
    progress: Progress

    def measure(self, photos: Sequence[Photo]) -> tuple[list[Row], Rate]:
        originals = self._run(f"{self.name} faces", measuring.measure_originals, photos)
        subjects = [
            Subject(photo, Face(Box(*map(int, originals["box"][row])), originals["landmarks"][row], 0.0))
            for row, photo in enumerate(photos)
            if originals["found"][row]
        ]
        if not subjects:
            return [], Rate(0, len(photos))
        before = self._treated(subjects, ORIGINAL)
        average = AverageFace(before["thumbnails"])
        rows = [self._row(ORIGINAL, subjects, before, before, average)]
        treatments: tuple[Treatment, ...] = (
            *map(permute_method, SWEEP),
            PermuteAlike(TABLE_N),
            *BASELINES,
        )
        for treatment in treatments:
            after = self._treated(subjects, treatment)
            rows.append(self._row(treatment, subjects, before, after, average))
        return rows, Rate(len(subjects), len(photos))

    def _treated(self, subjects: Sequence[Subject], treatment: Treatment) -> dict[str, NDArray[Any]]:
        mark = self.runner.once(fingerprint, subjects[0], self.data, treatment)
        label = f"{self.name} {treatment.name}"
        return self._run(label, measure_treated, subjects, self.data, treatment, made_by=mark)

    def _run(
        self,
        label: str,
        measure: Callable[..., Arrays],
        items: Sequence[Any],
        *parameters: Any,
        made_by: str = "",
    ) -> dict[str, NDArray[Any]]:
        return self.runner.run_stage(
            label,
            measure,
            items,
            parameters=parameters,
            made_by=(self.digest, made_by),
            name=_identity,
            progress=self.progress,
        )

    def _row(
        self,
        treatment: Treatment,
        subjects: Sequence[Subject],
        before: Arrays,
        after: Arrays,
        average: AverageFace,
    ) -> Row:
        distances = average.distances(after["thumbnails"])
        return Row(
            collection=self.name,
            treatment=treatment.name,
            pixels=self._pixels(treatment, subjects),
            ssim=Estimate.mean(after["ssim"]),
            psnr_db=Estimate.mean(after["psnr"]),
            hog=_of_all(found_again(before["hog"], after["hog"]), len(subjects)),
            mmod=_of_all(found_again(before["mmod"], after["mmod"]), len(subjects)),
            quality=Estimate.mean(after["quality"]),
            distance=Estimate.mean(distances),
            farthest=float(distances.max()),
            published=PUBLISHED.get((self.name, treatment.name)),
        )

    def _pixels(self, treatment: Treatment, subjects: Sequence[Subject]) -> Estimate | None:
        """How many were permuted: a face may have fewer than n, or its parts alone more."""
        n = next((n for n in SWEEP if permute_method(n).name == treatment.name), None)
        if n is None:
            return None
        shapes = (read_image(self.data / subject.photo.path).shape for subject in subjects)
        counts = [
            key_region(shape, subject.face, n).pixels for shape, subject in zip(shapes, subjects, strict=True)
        ]
        return Estimate.mean(np.array(counts, dtype=np.float64))


def _of_all(found: Rate, photos: int) -> Rate:
    """Of all pictures, not only of those in which the detector found the face before."""
    return Rate(found.count, photos)


def _spread_over(paths: Sequence[Path], count: int) -> list[Path]:
    """Choose so many, evenly over the whole."""
    places = np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int))
    return [paths[place] for place in places] if paths else []


def _identity(item: Photo | Subject) -> str:
    return item.photo.path if isinstance(item, Subject) else item.path
