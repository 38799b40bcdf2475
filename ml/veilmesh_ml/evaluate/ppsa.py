"""S3's tables again, of the generator that ships as `ppsa`: how real its faces are, and how quick it is.

1. faces of people whom no training saw (LFW, initials S to Z) are found and warped as the generator was
   taught faces: their landmarks at the mean shape, 64 px;
2. as many faces are drawn;
3. both are described by dlib's encoder and by the classifier of expressions, and compared as sets;
4. a small network learns to tell them apart, and is judged on faces that taught it nothing;
5. bytes are counted, of pictures and of what they are stored as;
6. drawing, storing and clustering are timed.

Source: S3 (Ghani et al. 2024), sections 3.4, 4.2, 4.3 and 5, tables 3 to 8.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind
from sklearn.cluster import MiniBatchKMeans

from veilmesh_ml.anonymizers.ppsa import load_generator, shipped_latents
from veilmesh_ml.contact_sheet import contact_sheet
from veilmesh_ml.errors import ParameterError
from veilmesh_ml.evaluate import measuring
from veilmesh_ml.evaluate.blocks import BlockRunner, PoolMeasurers, Progress, worker_pool
from veilmesh_ml.evaluate.distributions import Coverage, class_score, coverage, frechet_distance
from veilmesh_ml.evaluate.estimates import NORMAL_95, Estimate
from veilmesh_ml.evaluate.framed_faces import Described, Judge, Pictures, judged_photos, measure_framed
from veilmesh_ml.evaluate.pixel_statistics import Histogram, entropies, shares
from veilmesh_ml.evaluate.real_or_synthetic import ToldApart, tell_apart
from veilmesh_ml.evaluate.small_cnn import CROP_PX, Training
from veilmesh_ml.evaluate.stored_pictures import Difference, Storage, StoredFigures, measure_storage
from veilmesh_ml.image import RgbImage
from veilmesh_ml.weights import shipped_bank

CLUSTERS: Final = 125
BATCHES: Final = (1, 8)
ROUNDS: Final = 30  # of timing, each batch
SHOWN: Final = 48  # generated faces on the report's sheet
FEWEST: Final = 8  # pictures of which something can be said
_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class PpsaSettings:
    """What is measured.

    Attributes:
        data: folder with `lfw/NAME/*.jpg`, or NAME/*.jpg itself.
        cache: folder for the faces found.
        photos: at most so many of people S to Z, evenly chosen; as many faces are drawn.
        seed: of the drawing.
        workers: processes that find faces.
    """

    data: Path
    cache: Path
    photos: int = 1000
    seed: int = 0
    workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))


class Generate(Protocol):
    """[n, latent] to [n, 3, 64, 64], -1 to 1."""

    def __call__(self, latents: NDArray[np.float32], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Realism:
    """How near generated faces are to real ones; spaces by name: "dlib" and "expression".

    Attributes:
        score: exp of the mean divergence of expressions from their mean, 1 to 7, of the generated.
        score_of_real: the same of the real ones.
        distance: Fréchet's, per space.
        distance_of_real: between two halves of the real ones, per space: what is not the generator's fault.
        coverage: per space.
        told_apart: by the small network.
    """

    score: float
    score_of_real: float
    distance: dict[str, float]
    distance_of_real: dict[str, float]
    coverage: dict[str, Coverage]
    told_apart: ToldApart


@dataclass(frozen=True, slots=True, eq=False)
class PixelFigures:
    """Of real and generated pictures.

    Attributes:
        real, generated: moments.
        real_shares, generated_shares: of each of 256 values, (256,).
        real_entropy, generated_entropy: bits, of pictures.
        entropies_differ_p: of Welch's t-test.
        pairs: a generated picture and any real one.
    """

    real: Histogram
    generated: Histogram
    real_shares: NDArray[np.float64] = field(repr=False)
    generated_shares: NDArray[np.float64] = field(repr=False)
    real_entropy: Estimate
    generated_entropy: Estimate
    real_entropy_deviation: float
    generated_entropy_deviation: float
    entropies_differ_p: float
    pairs: Difference
    pairs_uaci_deviation: float


@dataclass(frozen=True, slots=True)
class PpsaResult:
    """Everything measured, without the ledger's part.

    Attributes:
        photos: looked for faces in.
        faces: real ones, and as many drawn.
        generator: digest of its weights.
        generation_ms: a face, per size of batch, median.
        clustering_s: mini-batch k-means of the generated pictures.
        clusters: how many.
        storage: what the pictures were stored by.
    """

    photos: int
    faces: int
    generator: str
    realism: Realism
    pixels: PixelFigures
    stored: StoredFigures
    generation_ms: dict[int, float]
    clustering_s: float
    clusters: int
    storage: str
    sheet: RgbImage = field(repr=False)


def evaluate_ppsa(settings: PpsaSettings, storage: Storage, progress: Progress) -> PpsaResult:
    """Run the evaluation.

    Raises:
        ParameterError: no photos of people S to Z, or hardly a face in them.
        ModelError: weights are missing, altered or of another config.
    """
    latent = shipped_latents().latents.shape[2]
    generator = load_generator(latent)
    judge = Judge.load()
    photos = judged_photos(settings.data, settings.photos)
    with worker_pool(
        settings.workers, measuring.set_up_worker, measuring.PhotosIn(settings.data), ()
    ) as pool:
        found = BlockRunner(settings.cache, PoolMeasurers(pool)).run_stage(
            "faces",
            measure_framed,
            photos,
            parameters=(),
            made_by=(judge.engine.model_digest, shipped_bank().digest),
            name=lambda photo: f"{photo.path} {(settings.data / photo.path).stat().st_size}",
            progress=progress,
        )
    real = found["pictures"][found["found"]]
    if len(real) < FEWEST:
        raise ParameterError(f"{len(real)} faces in {len(photos)} photos are too few to compare with")
    latents = np.random.default_rng(settings.seed).standard_normal((len(real), latent), dtype=np.float32)
    generated = draw(generator, latents)
    progress("describing", 0, 2)
    described = judge.describe(real)
    progress("describing", 1, 2)
    described_generated = judge.describe(generated)
    progress("describing", 2, 2)
    clusters = min(CLUSTERS, len(real))
    return PpsaResult(
        photos=len(photos),
        faces=len(real),
        generator=generator.digest,
        realism=judge_realism((real, described), (generated, described_generated)),
        pixels=count_pixels(real, generated),
        stored=measure_storage(generated, storage),
        generation_ms={batch: generation_ms(generator, latents[:batch]) for batch in BATCHES},
        clustering_s=clustering_s(generated, clusters),
        clusters=clusters,
        storage=storage.name,
        sheet=sheet(generated[:SHOWN]),
    )


def draw(generate: Generate, latents: NDArray[np.float32]) -> Pictures:
    """Return the faces of these latents, in the frame."""
    parts = [generate(latents[start : start + _AT_ONCE]) for start in range(0, len(latents), _AT_ONCE)]
    pixels = np.rint((np.concatenate(parts).transpose(0, 2, 3, 1) + 1) * 127.5)
    return np.asarray(np.clip(pixels, 0, 255), dtype=np.uint8)


def judge_realism(
    real: tuple[Pictures, Described], generated: tuple[Pictures, Described], training: Training | None = None
) -> Realism:
    """Compare two sets of equal size, each with what was seen in it."""
    (real_pictures, known), (drawn_pictures, drawn) = real, generated
    spaces = {
        "dlib": (known.encoder, drawn.encoder),
        "expression": (known.expression, drawn.expression),
    }
    return Realism(
        score=class_score(drawn.likely),
        score_of_real=class_score(known.likely),
        distance={name: frechet_distance(*both) for name, both in spaces.items()},
        distance_of_real={name: frechet_distance(one[::2], one[1::2]) for name, (one, _) in spaces.items()},
        coverage={name: coverage(*both) for name, both in spaces.items()},
        told_apart=tell_apart(_crops(real_pictures), _crops(drawn_pictures), training),
    )


def count_pixels(real: Pictures, generated: Pictures) -> PixelFigures:
    """Count values; the pairs are the n-th of either set."""
    known, drawn = entropies(real), entropies(generated)
    pairs = Difference.between(generated, real)
    half = (pairs.uaci.high - pairs.uaci.value) / NORMAL_95
    return PixelFigures(
        real=Histogram.of(real),
        generated=Histogram.of(generated),
        real_shares=shares(real),
        generated_shares=shares(generated),
        real_entropy=Estimate.mean(known),
        generated_entropy=Estimate.mean(drawn),
        real_entropy_deviation=float(known.std(ddof=1)),
        generated_entropy_deviation=float(drawn.std(ddof=1)),
        entropies_differ_p=float(ttest_ind(known, drawn, equal_var=False).pvalue),
        pairs=pairs,
        pairs_uaci_deviation=half * float(np.sqrt(pairs.uaci.count)),
    )


def generation_ms(
    generate: Generate, latents: NDArray[np.float32], clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the median time that a face of such a batch takes."""
    generate(latents)  # the first call makes room
    times = []
    for _ in range(ROUNDS):
        began = clock()
        generate(latents)
        times.append(clock() - began)
    return 1000 * float(np.median(times)) / len(latents)


def clustering_s(pictures: Pictures, clusters: int) -> float:
    """Return how long mini-batch k-means takes over pictures of 32 x 32, as in S3's algorithm 2."""
    vectors = _crops(pictures).reshape(len(pictures), -1).astype(np.float32)
    began = time.perf_counter()
    MiniBatchKMeans(clusters, batch_size=1024, n_init=3, random_state=0).fit(vectors)
    return time.perf_counter() - began


def sheet(pictures: Pictures, columns: int = 12) -> RgbImage:
    """Return pictures side by side; those that do not fill a row are left out."""
    rows = max(1, len(pictures) // columns)
    return contact_sheet(pictures[: rows * columns], columns, gap_px=0)


def _crops(pictures: Pictures) -> NDArray[np.uint8]:
    return np.stack([cv2.resize(each, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA) for each in pictures])
