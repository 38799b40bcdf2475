"""Latents of a generator, in clusters of faces that look alike: what the anonymizer `ppsa` draws from.

S3 clusters generated faces into 125 groups by mini-batch k-means (section 4.3). Here the groups are of coarse
appearance, as `attributes` measures it, and never of identity. A face gets

1. the cluster that suits it best;
2. of its latents, the half whose faces are least like the person;
3. of these, the `DRAWN_FROM` whose expression is nearest the person's;
4. one of them, drawn with a key.

The landmarks that a cluster's faces get are the mean of at least `MIN_PEOPLE` people who suit the cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.array_file import encode_arrays, reading_arrays, require_format, require_shapes
from veilmesh_ml.expressions import EXPRESSIONS
from veilmesh_ml.keystream import derive, words
from veilmesh_ml.surrogate.attributes import ATTRIBUTES, LIKENESS_COMPONENTS, Reading, require_attributes
from veilmesh_ml.surrogate.bank import MIN_PEOPLE
from veilmesh_ml.surrogate.choice import unsuitability

FORMAT: Final = "veilmesh/latents/1"
CLUSTERS: Final = 125
DRAWN_FROM: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class LatentClusters:
    """k clusters of m latents each.

    Attributes:
        centres: mean attributes of each cluster's faces, float64 (k, len(ATTRIBUTES)).
        spread: standard deviation of every attribute over all generated faces.
        latents: float32 (k, m, latent).
        likenesses: of length 1, float64 (k, m, LIKENESS_COMPONENTS).
        expressions: how likely each is, float64 (k, m, 7).
        shapes: landmarks in the bank's frame, float64 (k, 68, 2).
        people: how many real people each shape is the mean of, int64 (k,).
    """

    centres: NDArray[np.float64] = field(repr=False)
    spread: NDArray[np.float64] = field(repr=False)
    latents: NDArray[np.float32] = field(repr=False)
    likenesses: NDArray[np.float64] = field(repr=False)
    expressions: NDArray[np.float64] = field(repr=False)
    shapes: NDArray[np.float64] = field(repr=False)
    people: NDArray[np.int64] = field(repr=False)

    def choose(
        self, face: Reading, expression: NDArray[np.float64], key: bytes, draw: int = 0
    ) -> tuple[int, int]:
        """Return a cluster and one of its latents.

        Args:
            face: what was read off it.
            expression: how likely each is for it, (7,).
            key: 32 bytes, of this face alone.
            draw: 0 for the first; each another latent up to `DRAWN_FROM` - 1.
        """
        cluster = int(np.argmin(unsuitability(self.centres, face.attributes, self.spread)))
        alike = self.likenesses[cluster] @ face.likeness
        unlike = np.argsort(alike, kind="stable")[: -(-len(alike) // 2)]
        off = np.abs(self.expressions[cluster, unlike] - expression).sum(axis=1)
        drawn_from = unlike[np.argsort(off, kind="stable")[:DRAWN_FROM]]
        order = np.argsort(words(derive(key, "latent"), len(drawn_from)), kind="stable")
        return cluster, int(drawn_from[order[draw % len(order)]])


def encode_latents(clusters: LatentClusters) -> bytes:
    """Return the bytes of the file; equal clusters give equal bytes."""
    arrays = {
        "format": np.array([FORMAT]),
        "attribute_names": np.array(ATTRIBUTES),
        "centres": clusters.centres.astype(np.float32),
        "spread": clusters.spread.astype(np.float32),
        "latents": clusters.latents.astype(np.float16),
        "likenesses": clusters.likenesses.astype(np.float16),
        "expressions": clusters.expressions.astype(np.float16),
        "shapes": clusters.shapes.astype(np.float32),
        "people": clusters.people.astype(np.uint16),
    }
    return encode_arrays(arrays)


def decode_latents(content: bytes, name: str = "latents") -> LatentClusters:
    """Read clusters.

    Raises:
        ModelError: not such a file, damaged, or with a shape of too few people.
    """
    with reading_arrays(content, f"{name} is no file of latents", "build it again") as arrays:
        return _clusters(arrays)


def _clusters(arrays: Mapping[str, NDArray[Any]]) -> LatentClusters:
    require_format(arrays, FORMAT)
    require_attributes(arrays)
    found = LatentClusters(
        arrays["centres"].astype(np.float64),
        arrays["spread"].astype(np.float64),
        arrays["latents"].astype(np.float32),
        arrays["likenesses"].astype(np.float64),
        arrays["expressions"].astype(np.float64),
        arrays["shapes"].astype(np.float64),
        arrays["people"].astype(np.int64),
    )
    _check(found)
    return found


def _check(clusters: LatentClusters) -> None:
    k, m, _ = clusters.latents.shape
    expected = {
        "centres": (k, len(ATTRIBUTES)),
        "spread": (len(ATTRIBUTES),),
        "likenesses": (k, m, LIKENESS_COMPONENTS),
        "expressions": (k, m, len(EXPRESSIONS)),
        "shapes": (k, 68, 2),
        "people": (k,),
    }
    require_shapes(clusters, expected)
    if not k or m < DRAWN_FROM or clusters.people.min() < MIN_PEOPLE:
        raise ValueError(f"too few clusters, latents or people: {k}, {m}, {clusters.people.min(initial=0)}")
