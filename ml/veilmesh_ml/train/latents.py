"""Draws the latents that the anonymizer `ppsa` chooses from, and clusters them (S3, section 4.3).

1. real faces, warped as the generator was taught them, teach what the mean shape hides: turn and tilt of the
   head, how far and how wide the mouth is open (ridge regression on what the texture looks like);
2. many latents are drawn, and their faces read: attributes, likeness, expression;
3. mini-batch k-means (Sculley 2010) makes clusters of coarse appearance, weighted as a surrogate is chosen;
4. each cluster keeps the faces nearest to its centre, one of another cluster where it has too few;
5. it gets the mean landmarks of the real people who suit it best.

Needs no torch: the generator runs as it ships.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import Ridge

from veilmesh_ml.anonymizers.ppsa import SIDE_PX, textures_of
from veilmesh_ml.errors import ModelError
from veilmesh_ml.expression_reader import expression_chip
from veilmesh_ml.surrogate.attributes import ATTRIBUTES, appearance_features
from veilmesh_ml.surrogate.bank import MIN_PEOPLE, Bank
from veilmesh_ml.surrogate.choice import IMPORTANCE, unsuitability
from veilmesh_ml.surrogate.latents import CLUSTERS, DRAWN_FROM, LatentClusters
from veilmesh_ml.surrogate.shape import aligned
from veilmesh_ml.train.framed import framed
from veilmesh_ml.train.packed import PackedFaces

# [n, latent] to [n, 3, side, side], -1 to 1.
Generate: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
# Grey uint8 (n, 48, 48) to how likely each expression is, (n, 7).
ReadExpressions: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float64]]

MOST_PEOPLE: Final = 24  # in the shape of a cluster
HIDDEN: Final = ("yaw", "pitch", "mouth open", "mouth wide")  # what the mean shape hides
_HIDDEN: Final = [ATTRIBUTES.index(name) for name in HIDDEN]
_RIDGE: Final = 300.0
_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class LatentsPlan:
    """Attributes: latents drawn; clusters; latents that each keeps; length of a latent; seed of it all."""

    count: int = 20_000
    clusters: int = CLUSTERS
    kept: int = 32
    latent: int = 128
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class BuiltLatents:
    """Attributes: the clusters; how many faces k-means put in each, (k,); how long it took."""

    clusters: LatentClusters
    sizes: NDArray[np.int64] = field(repr=False)
    clustering_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """n faces: attributes, (n, len(ATTRIBUTES)); likenesses, (n, LIKENESS_COMPONENTS); features, (n, f)."""

    attributes: NDArray[np.float64]
    likenesses: NDArray[np.float64]
    features: NDArray[np.float32]


def build_latents(
    generate: Generate,
    read_expressions: ReadExpressions,
    faces: PackedFaces,
    bank: Bank,
    plan: LatentsPlan,
    *,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> BuiltLatents:
    """Draw, read and cluster; equal arguments give equal clusters.

    Args:
        generate: the generator.
        read_expressions: the classifier.
        faces: real ones; those held out take no part.
        bank: of the frame and the attribute model.
        plan: how many.
        progress: called with the faces read, real and drawn, and how many there are.

    Raises:
        ModelError: too few latents for the clusters, or too few people.
    """
    if plan.count < plan.clusters or not DRAWN_FROM <= plan.kept <= plan.count:
        raise ModelError(
            f"{plan.count} latents are too few for {plan.clusters} clusters that keep {plan.kept}",
            hint="draw more",
        )
    real = np.flatnonzero(~faces.held_out)
    if len(np.unique(faces.people[real])) < MIN_PEOPLE:
        raise ModelError(f"the packed file holds fewer than {MIN_PEOPLE} people", hint="add photos")
    latents = (
        np.random.default_rng(plan.seed)
        .standard_normal((plan.count, plan.latent))
        .astype(np.float16)  # as the file keeps them: what is read off a face is read off the one drawn later
        .astype(np.float32)
    )
    together = len(real) + plan.count
    known = _read_real(faces, real, bank, lambda done: progress(done, together))
    drawn, expressions = _read_drawn(
        generate, read_expressions, latents, bank, lambda done: progress(len(real) + done, together)
    )
    teach = Ridge(_RIDGE).fit(known.features, known.attributes[:, _HIDDEN])
    drawn.attributes[:, _HIDDEN] = teach.predict(drawn.features)
    spread = drawn.attributes.std(axis=0) + 1e-6
    began = time.perf_counter()
    vectors = drawn.attributes / spread * IMPORTANCE
    clustering = MiniBatchKMeans(plan.clusters, batch_size=4096, n_init=3, random_state=plan.seed)
    members = clustering.fit_predict(vectors)
    clustering_s = time.perf_counter() - began
    kept = np.stack([_nearest(vectors, centre, plan.kept) for centre in clustering.cluster_centers_])
    centres = drawn.attributes[kept].mean(axis=1)
    shapes, people = zip(*(_shape(centre, known, faces, real, bank) for centre in centres), strict=True)
    clusters = LatentClusters(
        centres=centres,
        spread=spread,
        latents=latents[kept],
        likenesses=drawn.likenesses[kept],
        expressions=expressions[kept],
        shapes=np.stack(shapes),
        people=np.array(people),
    )
    return BuiltLatents(clusters, np.bincount(members, minlength=plan.clusters), clustering_s)


def _read_real(
    faces: PackedFaces, real: NDArray[np.intp], bank: Bank, progress: Callable[[int], None]
) -> _Read:
    """Read real faces as sharp as the generator draws its own; pose and mouth from their landmarks."""
    parts = []
    for start in range(0, len(real), _AT_ONCE):
        chosen = real[start : start + _AT_ONCE]
        small = framed(faces, chosen, SIDE_PX, bank.frame.mean_shape)
        textures = textures_of(small.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - 1)
        parts.append(_read(textures, [faces.landmarks[index] for index in chosen], bank))
        progress(start + len(chosen))
    return _joined(parts)


def _read_drawn(
    generate: Generate,
    read_expressions: ReadExpressions,
    latents: NDArray[np.float32],
    bank: Bank,
    progress: Callable[[int], None],
) -> tuple[_Read, NDArray[np.float64]]:
    mean = bank.frame.mean_shape[:68]
    parts, expressions = [], []
    for start in range(0, len(latents), _AT_ONCE):
        textures = textures_of(generate(latents[start : start + _AT_ONCE]))
        parts.append(_read(textures, [mean] * len(textures), bank))
        chips = np.stack([expression_chip(texture, mean) for texture in textures])
        expressions.append(read_expressions(chips))
        progress(start + len(textures))
    return _joined(parts), np.concatenate(expressions)


def _read(textures: list[NDArray[np.uint8]], landmarks: list[NDArray[np.floating]], bank: Bank) -> _Read:
    mean = bank.frame.mean_shape
    faces = [np.where(bank.frame.face[..., np.newaxis], texture, 0).astype(np.uint8) for texture in textures]
    readings = [
        bank.attribute_model.read(face, points, aligned(points, mean), bank.frame)
        for face, points in zip(faces, landmarks, strict=True)
    ]
    return _Read(
        np.stack([reading.attributes for reading in readings]),
        np.stack([reading.likeness for reading in readings]),
        np.stack([appearance_features(face, bank.frame) for face in faces]),
    )


def _joined(parts: list[_Read]) -> _Read:
    return _Read(
        np.concatenate([part.attributes for part in parts]),
        np.concatenate([part.likenesses for part in parts]),
        np.concatenate([part.features for part in parts]),
    )


def _nearest(vectors: NDArray[np.float64], centre: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    distance = ((vectors - centre) ** 2).sum(axis=1)
    return np.argsort(distance, kind="stable")[:count]


def _shape(
    centre: NDArray[np.float64], known: _Read, faces: PackedFaces, real: NDArray[np.intp], bank: Bank
) -> tuple[NDArray[np.float64], int]:
    """Return mean landmarks in the frame of the people who suit a cluster, (68, 2), and how many they are."""
    off = unsuitability(known.attributes, centre, bank.spread)
    order = real[np.argsort(off, kind="stable")]
    _, first = np.unique(faces.people[order], return_index=True)
    chosen = order[np.sort(first)[:MOST_PEOPLE]]
    shapes = [aligned(faces.landmarks[index], bank.frame.mean_shape) for index in chosen]
    return np.mean(shapes, axis=0), len(chosen)
