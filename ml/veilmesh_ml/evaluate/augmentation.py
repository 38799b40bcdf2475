"""Do synthetic pictures in a gallery help recognition? S1's use of its generators, measured.

S1 merges real and synthetic pictures, X_R and X_S, into what faces are recognised by (algorithm 1), and says
which network gave which accuracy, not how it was counted. Here: everybody in a folder like LFW's whose name
has the right initial is in the gallery with 1, 2 or 3 photos; who has more photos is looked for with the
others, among all. What is added to the gallery:

- nothing;
- plain augmentation of every photo: its face mirrored, lighter, darker, moved and turned a little;
- a generator's variations of every photo: the same person in other pose, light and expression;
- a generator's strangers, algorithm 1 to the letter: faces drawn from the latent space, as many as there are
  people. They are nobody's, so they can only mislead.

Generators that make somebody else of a person, which anonymizers do, have no row: their pictures of a person
are not that person's.

What was measured is kept in blocks, so a run that was stopped goes on.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import CHIP_PX, Engine, align_all
from veilmesh_ml.errors import ModelError, ParameterError
from veilmesh_ml.evaluate.blocks import Arrays, BlockRunner, PoolMeasurers, Progress, worker_pool
from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.samples import centred
from veilmesh_ml.evaluate.trials import Photo
from veilmesh_ml.face import Face
from veilmesh_ml.fast.engine import FastEngine
from veilmesh_ml.folder_job import one_thread_a_process
from veilmesh_ml.image import RgbImage, read_image
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.synthesis.drawn import decode_drawn
from veilmesh_ml.synthesis.frame import FACE_PX, onto_picture
from veilmesh_ml.synthesis.onlooker import features_of
from veilmesh_ml.synthesis.projection import Projector
from veilmesh_ml.synthesis.style_gan import StyleGan, face_random, noise
from veilmesh_ml.synthesis.variations import SAME_PERSON, Sitter, vary
from veilmesh_ml.weights import read_weights, shipped_bank

REAL: Final = (1, 2, 3)  # photos of a person in the gallery
PER_PHOTO: Final = 8  # pictures added to each
PROBES: Final = 10  # of a person, at most
GENERATIONS: Final = (
    6  # of the search for a photo's styles: `synthesize` takes its time, here are many photos
)
NOTHING, PLAIN = "real only", "plain augmentation"
VARIATIONS, STRANGERS = "stylegan: variations", "stylegan: strangers"
RULES: Final = ("nearest picture", "nearest mean")
NOBODY: Final = -1
_TRUNCATION: Final = 0.7  # of strangers
# Of the chip: mirrored, gamma, turn in degrees, scale, shift in pixels across and down.
_PLAIN: Final = (
    (True, 1.0, 0, 1.0, 0, 0),
    (False, 0.6, 0, 1.0, 0, 0),
    (False, 1.6, 0, 1.0, 0, 0),
    (False, 1.0, 6, 1.04, 4, -4),
    (False, 1.0, -6, 0.96, -4, 4),
    (True, 0.7, 4, 1.0, 0, 4),
    (True, 1.4, -4, 1.0, 0, -4),
    (True, 1.0, 0, 1.06, 3, 3),
)
_METHOD: Final = (
    f"2/{PER_PHOTO}/{GENERATIONS}/{SAME_PERSON}/{_TRUNCATION}/{_PLAIN}"  # of what blocks depend on
)

_at_hand: dict[str, Any] = {}  # what a worker measures with


@dataclass(frozen=True, slots=True)
class Row:
    """One gallery and one rule.

    Attributes:
        added: what was added, such as `PLAIN`.
        real: photos of a person.
        rule: one of `RULES`.
        accuracy: probes for which the right person came first.
        gained, lost: probes that are right here and not with nothing added, and the other way round.
        synthetic: pictures added to the gallery.
    """

    added: str
    real: int
    rule: str
    accuracy: ClusteredRate
    gained: int
    lost: int
    synthetic: int

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        return {
            "added": self.added,
            "real_photos": self.real,
            "rule": self.rule,
            "accuracy": self.accuracy.document(),
            "gained": self.gained,
            "lost": self.lost,
            "synthetic_pictures": self.synthetic,
        }


@dataclass(frozen=True, slots=True)
class AugmentationResult:
    """All rows, "real only" first; people looked for, people in the gallery; why rows are missing, if so."""

    rows: Sequence[Row]
    sought: int
    enrolled: int
    missing: str


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Features, (n, 128), a row of not-a-numbers where there are none, and whose they are, (n,)."""

    features: Features
    people: NDArray[np.int64]

    def usable(self) -> "Pictures":
        """Return those that have features."""
        there = np.isfinite(self.features[:, 0])
        return Pictures(self.features[there], self.people[there])

    def and_(self, others: "Pictures") -> "Pictures":
        return Pictures(
            np.concatenate([self.features, others.features]), np.concatenate([self.people, others.people])
        )


def evaluate_augmentation(
    data: Path,
    cache: Path,
    progress: Progress,
    initials: tuple[str, str] = ("S", "Z"),
    workers: int | None = None,
) -> AugmentationResult:
    """Run the evaluation.

    Args:
        data: a folder of NAME/NAME_0001.jpg.
        cache: folder for finished blocks.
        progress: told what is under way.
        initials: first and last, of the names that count.
        workers: processes; by default one a core.

    Raises:
        ParameterError: nobody there has more than three photos.
    """
    plan = _plan(data, initials)
    missing, gan_digest = _generator()
    with worker_pool(workers or len(os.sched_getaffinity(0)), set_up_worker, data, not missing) as pool:
        stages = _Stages(BlockRunner(cache, PoolMeasurers(pool)), pool, progress)
        probes = Pictures(stages.features("probes", measure_real, plan.probes), plan.probe_people)
        gallery = stages.features("gallery", measure_real, plan.gallery)
        added = {PLAIN: stages.features(PLAIN, measure_plain, plan.gallery)}
        if not missing:
            added[VARIATIONS] = stages.features(VARIATIONS, measure_variations, plan.gallery, gan_digest)
            strangers = stages.features(
                STRANGERS, measure_strangers, range(len(np.unique(plan.people))), gan_digest
            )
    rows = []
    for real in REAL:
        chosen = plan.ranks < real
        photos = Pictures(gallery[chosen], plan.people[chosen]).usable()
        galleries = {NOTHING: photos}
        for name, features in added.items():
            people = np.repeat(plan.people[chosen], features.shape[1])
            galleries[name] = photos.and_(Pictures(features[chosen].reshape(-1, 128), people).usable())
        if not missing:
            nobody = Pictures(strangers, np.full(len(strangers), NOBODY))
            galleries[STRANGERS] = photos.and_(nobody)
        rows += rows_of(galleries, probes, real)
    return AugmentationResult(rows, len(np.unique(plan.probe_people)), len(np.unique(plan.people)), missing)


def rows_of(galleries: Mapping[str, Pictures], probes: Pictures, real: int) -> list[Row]:
    """Look for the probes in each gallery, of which `NOTHING` is what others are compared with."""
    rows = []
    for rule, identified in zip(RULES, (nearest_picture, nearest_mean), strict=True):
        before = identified(probes.features, galleries[NOTHING]) == probes.people
        for name, gallery in galleries.items():
            right = identified(probes.features, gallery) == probes.people
            rows.append(
                Row(
                    name,
                    real,
                    rule,
                    ClusteredRate.of(right, probes.people),
                    int(np.count_nonzero(right & ~before)),
                    int(np.count_nonzero(before & ~right)),
                    len(gallery.people) - len(galleries[NOTHING].people),
                )
            )
    return rows


def nearest_picture(probes: Features, gallery: Pictures) -> NDArray[np.int64]:
    """Return whose picture is nearest to each probe, (p,); `NOBODY` - 1 for a probe without features."""
    squares = (gallery.features**2).sum(axis=1)
    order = np.argmin(squares - 2 * np.nan_to_num(probes) @ gallery.features.T, axis=1)
    return np.where(np.isfinite(probes[:, 0]), gallery.people[order], NOBODY - 1)


def nearest_mean(probes: Features, gallery: Pictures) -> NDArray[np.int64]:
    """The same among people's mean features; strangers are each one of their own."""
    known = gallery.people != NOBODY
    people, places = np.unique(gallery.people[known], return_inverse=True)
    means = np.zeros((len(people), gallery.features.shape[1]))
    np.add.at(means, places, gallery.features[known])
    means /= np.bincount(places)[:, np.newaxis]
    strangers = Pictures(gallery.features[~known], gallery.people[~known])
    return nearest_picture(probes, Pictures(means, people).and_(strangers))


def set_up_worker(folder: Path, with_gan: bool) -> None:
    """Load what this process measures with; photos' paths are relative to `folder`."""
    one_thread_a_process()
    engine = FastEngine(threads=1)
    _at_hand.update(folder=folder, engine=engine)
    if with_gan:
        gan = StyleGan(threads=1)
        drawn = decode_drawn(read_weights("stylegan", "drawn"))
        _at_hand.update(gan=gan, projector=Projector(gan, drawn, engine))


def engine_digest() -> str:
    """Return what names this process's engine."""
    engine: Engine = _at_hand["engine"]
    return f"{engine.model_digest}/{engine.landmarks_digest}/{engine.detector}"


def measure_real(photos: Sequence[Photo]) -> Arrays:
    """Return the `features` of each photo's face, (n, 128)."""
    features = np.full((len(photos), 128), np.nan)
    for row, (image, face) in _faces(photos):
        (features[row],) = _at_hand["engine"].encode(image, [face])
    return {"features": features}


def measure_plain(photos: Sequence[Photo]) -> Arrays:
    """Return the `features` of each face changed in `PER_PHOTO` ways, (n, PER_PHOTO, 128)."""
    features = np.full((len(photos), PER_PHOTO, 128), np.nan)
    engine: Engine = _at_hand["engine"]
    for row, (image, face) in _faces(photos):
        (chip,) = align_all(engine.align, image, [face])
        features[row] = engine.encode_chips(plainly_changed(chip))
    return {"features": features}


def measure_variations(photos: Sequence[Photo]) -> Arrays:
    """Return the `features` of up to `PER_PHOTO` variations of each face, (n, PER_PHOTO, 128)."""
    features = np.full((len(photos), PER_PHOTO, 128), np.nan)
    engine, gan, projector = (_at_hand[name] for name in ("engine", "gan", "projector"))
    mean_shape = shipped_bank().frame.mean_shape
    for row, (image, face) in _faces(photos):
        (own,) = engine.encode(image, [face])
        picture = cut_out(image, onto_picture(face.landmarks, mean_shape), FACE_PX)
        name = sha256(photos[row].path.encode()).digest()
        random = np.random.default_rng(np.frombuffer(name, dtype=np.uint32))
        grain = noise(random)
        styles = projector.project(picture, own, grain, random, GENERATIONS).styles
        found = vary(gan, engine, Sitter(styles, grain, own), PER_PHOTO, random=random)
        features[row, : len(found.features)] = found.features
    return {"features": features}


def measure_strangers(numbers: Sequence[int]) -> Arrays:
    """Return the `features` of drawn faces, (n, 128)."""
    gan: StyleGan = _at_hand["gan"]
    randoms = [face_random(0, number) for number in numbers]
    styles = np.stack([gan.styles(random, _TRUNCATION) for random in randoms])
    faces = gan.faces(styles, np.stack([noise(random) for random in randoms]))
    return {"features": features_of(_at_hand["engine"], faces)}


def plainly_changed(chip: RgbImage) -> NDArray[np.uint8]:
    """Return a chip changed in `PER_PHOTO` ways, uint8 (PER_PHOTO, 150, 150, 3)."""
    changed = np.empty((PER_PHOTO, *chip.shape), dtype=np.uint8)
    middle = (CHIP_PX - 1) / 2
    for row, (mirrored, gamma, degrees, scale, across, down) in enumerate(_PLAIN):
        turned = cv2.getRotationMatrix2D((middle, middle), degrees, scale)
        turned[:, 2] += across, down
        moved = cv2.warpAffine(
            chip[:, ::-1] if mirrored else chip, turned, (CHIP_PX, CHIP_PX), borderMode=cv2.BORDER_REFLECT_101
        )
        changed[row] = np.rint(255 * (np.asarray(moved) / 255.0) ** gamma)
    return changed


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Photos of the gallery with whose they are and which of that person's, from 0; and the probes."""

    gallery: Sequence[Photo]
    people: NDArray[np.int64]
    ranks: NDArray[np.int64]
    probes: Sequence[Photo]
    probe_people: NDArray[np.int64]


def _plan(data: Path, initials: tuple[str, str]) -> _Plan:
    first, last = initials
    gallery: list[tuple[Photo, int, int]] = []
    probes: list[tuple[Photo, int]] = []
    names = sorted(path.name for path in data.iterdir() if path.is_dir() and first <= path.name[:1] <= last)
    for number, name in enumerate(names):
        photos = [Photo(name, f"{name}/{path.name}") for path in sorted((data / name).glob("*.jpg"))]
        gallery += [(photo, number, rank) for rank, photo in enumerate(photos[: max(REAL)])]
        probes += [(photo, number) for photo in photos[max(REAL) :][:PROBES]]
    if not probes:
        raise ParameterError(
            f"nobody in {data} has more than {max(REAL)} photos",
            hint="--data names a folder of NAME/*.jpg, --initials whose",
        )
    return _Plan(
        [photo for photo, _, _ in gallery],
        np.array([number for _, number, _ in gallery]),
        np.array([rank for _, _, rank in gallery]),
        [photo for photo, _ in probes],
        np.array([number for _, number in probes]),
    )


def _generator() -> tuple[str, str]:
    """Return why the generator has no rows, empty where it has, and what names it."""
    try:
        gan = StyleGan(threads=1)
        drawn = sha256(read_weights("stylegan", "drawn")).hexdigest()
    except ModelError as err:
        return f"The generator has no rows: {err}.", ""
    return "", f"{gan.digest}/{drawn}"


@dataclass(frozen=True, slots=True)
class _Stages:
    runner: BlockRunner
    pool: ProcessPoolExecutor
    progress: Progress

    def features(
        self, label: str, measure: Callable[..., Arrays], items: Sequence[Any], *made_by: str
    ) -> NDArray[np.float64]:
        digest = self.pool.submit(engine_digest).result()
        return self.runner.run_stage(
            label.replace(":", ""),
            measure,
            items,
            parameters=(),
            made_by=(_METHOD, digest, *made_by),
            name=lambda item: item.path if isinstance(item, Photo) else str(item),
            progress=self.progress,
        )["features"]


def _faces(photos: Sequence[Photo]) -> list[tuple[int, tuple[RgbImage, Face]]]:
    """Return the photos in whose middle a face is found, by their place."""
    found = []
    for row, photo in enumerate(photos):
        image = read_image(_at_hand["folder"] / photo.path)
        face = centred(_at_hand["engine"].detect(image), image)
        if face is not None:
            found.append((row, (image, face)))
    return found
