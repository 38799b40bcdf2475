"""From many faces to few averages: cluster, take the most typical distinct people, average them sharply.

1. every face and its mirror image becomes a vector: look, measures, the teacher's scores, likeness;
2. mini-batch k-means (Sculley 2010), in which small groups count more than their share;
3. of all faces the `MOST_PEOPLE` distinct people nearest to a centre, none blurred; donors may share people.
   Since these also look like each other, their average is sharp and looks like somebody, not like everybody;
4. their textures, brought to one tone, are averaged; at forehead and rim skin counts and hair does not;
5. optical flow brings each to the average, twice, so that eyes and lips come out sharp;
6. averages with dark rims, fringes or sunglasses are dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

from veilmesh_ml.errors import ModelError
from veilmesh_ml.surrogate.attributes import APPARENT, ATTRIBUTES, GROUPS, LOOK_COMPONENTS, MEASURED
from veilmesh_ml.surrogate.bank import MIN_PEOPLE
from veilmesh_ml.surrogate.frame import BROWS, EYES, Frame
from veilmesh_ml.surrogate.geometry import TEXTURE_PX, Plane
from veilmesh_ml.surrogate.points import MIRRORED, Points
from veilmesh_ml.surrogate.shape import aligned
from veilmesh_ml.train.faces import TrainingFaces

MOST_PEOPLE = 24
BLURRED_SHARE = 0.25  # of all faces: the least sharp are not averaged
_WEIGHTS = {
    "lightness": 0.5,
    "redness": 0.2,
    "yellowness": 0.2,
    "light from the side": 0.7,
    "light from above": 0.4,
    "yaw": 1.1,
    "pitch": 0.4,
    "mouth open": 1.0,
    "mouth wide": 0.8,
    "beard": 0.7,
    "glasses": 0.8,
    "woman": 1.6,
    "age": 1.0,
    "White": 0.8,
    "Black": 1.0,
    "Asian": 1.0,
    "Indian": 0.8,
    "other": 0.3,
}
_LOOK_WEIGHT = 1.2
_LIKENESS_WEIGHT = 2.2  # all components together
_RARITY = 0.6  # 0: groups have donors as they have photos; 1: equally many


@dataclass(frozen=True, slots=True, eq=False)
class Donors:
    """See `Bank` for the arrays."""

    textures: NDArray[np.uint8] = field(repr=False)
    shapes: NDArray[np.float64] = field(repr=False)
    attributes: NDArray[np.float64] = field(repr=False)
    people: NDArray[np.int64] = field(repr=False)


def build_donors(
    faces: TrainingFaces,
    attributes: NDArray[np.float64],
    teacher: NDArray[np.float64],
    likeness: NDArray[np.float64],
    frame: Frame,
    *,
    clusters: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Donors:
    """Cluster and average.

    Raises:
        ModelError: not one donor came out.

    Args:
        faces: to average.
        attributes: of every face and then of every mirrored face, (2 n, len(ATTRIBUTES)).
        teacher: its scores of every face, (n, len(APPARENT)).
        likeness: true ones of every face, (n, LIKENESS_COMPONENTS).
        frame: of the textures.
        clusters: how many to look for; fewer donors come out.
        seed: of the clustering.
        progress: called with the clusters begun, and how many there are.
    """
    twice = np.tile(np.arange(len(faces)), 2)
    vectors = np.column_stack([_vectors(attributes, teacher[twice]), _identities(likeness)[twice]])
    clustering = MiniBatchKMeans(clusters, batch_size=4096, n_init=3, random_state=seed)
    clustering.fit(vectors, sample_weight=_rarity(teacher)[twice])
    sharp = np.flatnonzero(_sharp_enough(faces, frame)[twice])
    averaging = _Averaging(faces, frame)
    found = []
    for cluster in range(clusters):
        progress(cluster + 1, clusters)
        distance = ((vectors[sharp] - clustering.cluster_centers_[cluster]) ** 2).sum(axis=1)
        chosen = _distinct(sharp[np.argsort(distance, kind="stable")], faces.people)
        if len(chosen) < MIN_PEOPLE:
            continue
        texture = averaging.average(chosen)
        if not averaging.is_clean(texture):
            continue
        shape = averaging.mean_shape(chosen)
        found.append((texture, shape, attributes[chosen].mean(axis=0), len(chosen)))
    if not found:
        raise ModelError(
            f"no donor: no {MIN_PEOPLE} sharp faces of distinct people without hair or glasses over them",
            hint="add photos",
        )
    textures, shapes, means, people = zip(*found, strict=True)
    return Donors(np.stack(textures), np.stack(shapes), np.stack(means), np.array(people))


def _vectors(attributes: NDArray[np.float64], teacher: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scaled so that distance means unlike, (n, len(ATTRIBUTES)); the teacher's scores for the student's."""
    vectors = np.column_stack([attributes[:, : -len(APPARENT)], teacher])
    spread = vectors.std(axis=0) + 1e-9
    look = slice(len(MEASURED), len(MEASURED) + LOOK_COMPONENTS)
    spread[look] = 1 / _LOOK_WEIGHT  # components keep their own proportions
    vectors = (vectors - vectors.mean(axis=0)) / spread
    weights = np.array([_WEIGHTS.get(name, 1.0) for name in ATTRIBUTES])
    return np.asarray(np.clip(vectors, -4, 4) * weights)


def _identities(likeness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scaled to `_LIKENESS_WEIGHT` squared in all: so an average is of people who look like each other."""
    return np.asarray(likeness * (_LIKENESS_WEIGHT / np.sqrt(likeness.var(axis=0).sum())))


def _rarity(teacher: NDArray[np.float64]) -> NDArray[np.float64]:
    """What every face counts in the clustering: small groups get more donors than their share."""
    group = teacher[:, -len(GROUPS) :].argmax(axis=1)
    share = np.bincount(group, minlength=len(GROUPS)) / len(group)
    return np.asarray(1 / np.maximum(share, 0.01)[group] ** _RARITY)


def _sharp_enough(faces: TrainingFaces, frame: Frame) -> NDArray[np.bool_]:
    inner = frame.depth_px > 12
    sharpness = np.array(
        [cv2.Laplacian(cv2.cvtColor(t, cv2.COLOR_RGB2GRAY), cv2.CV_32F)[inner].std() for t in faces.textures]
    )
    return np.asarray(sharpness >= np.quantile(sharpness, BLURRED_SHARE))


def _distinct(members: NDArray[np.intp], people: NDArray[np.int64]) -> NDArray[np.intp]:
    """The first members of distinct people; member n + i is the mirror image of face i."""
    chosen: dict[int, int] = {}
    for member in members:
        chosen.setdefault(int(people[member % len(people)]), int(member))
        if len(chosen) == MOST_PEOPLE:
            break
    return np.array(list(chosen.values()), dtype=np.intp)


@dataclass(frozen=True)
class _Averaging:
    """Averages faces in one frame. Textures are float32 LAB as OpenCV gives it for uint8."""

    faces: TrainingFaces
    frame: Frame

    def average(self, chosen: NDArray[np.intp]) -> NDArray[np.uint8]:
        layers, weights = self._layers(chosen)
        mean = self._weighted(layers, weights)
        grid_x, grid_y = np.meshgrid(*[np.arange(TEXTURE_PX, dtype=np.float32)] * 2)
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        for _ in range(2):
            target = np.clip(mean[..., 0], 0, 255).astype(np.uint8)
            moved, moved_weights = [], []
            for layer, weight in zip(layers, weights, strict=True):
                source = np.clip(layer[..., 0], 0, 255).astype(np.uint8)
                found = np.clip(flow.calc(target, source, np.empty(0)), -5, 5)
                shift = cv2.GaussianBlur(found, (0, 0), 2.5)
                maps = grid_x + shift[..., 0], grid_y + shift[..., 1]
                cubic = cv2.remap(layer, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
                moved.append(cubic.astype(np.float32))
                moved_weights.append(cv2.remap(weight, *maps, cv2.INTER_LINEAR).astype(np.float32))
            mean = self._weighted(moved, moved_weights)
        colour = cv2.cvtColor(np.clip(self._finished(mean), 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
        return self._filled(np.asarray(colour, dtype=np.uint8))

    def _finished(self, mean: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sharpen features and cheeks; smooth the forehead, where averages of hairlines leave bands."""
        core = cv2.erode(self.frame.face.astype(np.float32), _DISC)  # beyond it there is no skin to blur with
        smooth = cv2.GaussianBlur(mean * core[..., np.newaxis], (0, 0), 5.0)
        smooth = smooth / (cv2.GaussianBlur(core, (0, 0), 5.0)[..., np.newaxis] + 1e-3)
        sharp = mean.copy()
        sharp[..., 0] += 0.6 * (mean[..., 0] - cv2.GaussianBlur(mean[..., 0], (0, 0), 2.0))
        share = self._plain_forehead[..., np.newaxis]
        return np.asarray(sharp * (1 - share) + smooth * share, dtype=np.float32)

    @cached_property
    def _plain_forehead(self) -> Plane:
        """Where there is nothing but skin to see, 0 to 1: above the brows."""
        rows = np.arange(TEXTURE_PX)[:, np.newaxis] * np.ones((1, TEXTURE_PX))
        above = np.clip((self.frame.brow_row - 4 - rows) / 10, 0, 1) * ~self.frame.features
        return np.asarray(cv2.GaussianBlur(above, (0, 0), 2.5), dtype=np.float32)

    def mean_shape(self, chosen: NDArray[np.intp]) -> Points:
        mean = self.frame.mean_shape
        every = [aligned(self._landmarks(member), mean) for member in chosen]
        return np.asarray(np.mean(every, axis=0))

    def is_clean(self, texture: NDArray[np.uint8]) -> bool:
        """No fringe, no dark rim, no hair beside the eyes, no sunglasses (in lightness, 0 to 255)."""
        light = cv2.cvtColor(texture, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float64)
        rows, columns = np.arange(TEXTURE_PX)[:, np.newaxis], np.arange(TEXTURE_PX)
        depth, brow, skin = self.frame.depth_px, self.frame.brow_row, np.median(light[self.frame.skin])
        fringe = (rows < brow - 3) & (rows > brow - 26) & (depth > 16)
        rim = (depth > 7) & (depth < 15) & (rows > brow)
        beside = (
            (rows > brow - 4)
            & (rows < self.frame.mean_shape[36:48, 1].max() + 14)
            & (depth > 6)
            & (depth < 24)
        )
        halves = columns < TEXTURE_PX / 2, columns > TEXTURE_PX / 2
        darkest_rim = min(float(np.percentile(light[rim & half], 15)) for half in halves)
        darkest_beside = min(float(np.percentile(light[beside & half], 25)) for half in halves)
        eyes = np.median(light[self._eyes])
        return bool(
            np.percentile(light[fringe], 20) > skin - 14
            and darkest_rim > skin - 80
            and darkest_beside > skin - 72
            and eyes > skin - 55
        )

    @cached_property
    def _eyes(self) -> NDArray[np.bool_]:
        return self.frame.polygon(range(36, 42), 15) | self.frame.polygon(range(42, 48), 15)

    @cached_property
    def _may_be_hair(self) -> Plane:
        """How far a pixel counts only where it looks like skin, 0 to 1: forehead and rim."""
        rows, depth = np.arange(TEXTURE_PX)[:, np.newaxis], self.frame.depth_px
        above = np.clip((self.frame.brow_row + 4 - rows) / 12, 0, 1)
        doubt = np.maximum(above, np.clip((13 - depth) / 6, 0, 1) * 0.9)
        for part, room_px in ((EYES, 11), (BROWS, 3)):
            for side in part:
                doubt[self.frame.polygon(side, room_px)] = 0
        return np.asarray(cv2.GaussianBlur(doubt, (0, 0), 2), dtype=np.float32)

    @cached_property
    def _plain(self) -> tuple[NDArray[np.float32], Plane]:
        """What fills in where no member shows skin: the average over a fifth of all faces, less its tone."""
        total, weight = np.zeros((TEXTURE_PX, TEXTURE_PX, 3)), np.full((TEXTURE_PX, TEXTURE_PX), 1e-6)
        for index in range(0, len(self.faces), 5):
            layer, _ = self._toneless(index)
            share = self._skin_likelihood(layer) * self.faces.seen(index, self.frame)
            total += layer * share[..., np.newaxis]
            weight += share
        rows, depth = np.arange(TEXTURE_PX)[:, np.newaxis], self.frame.depth_px
        far = np.maximum(
            np.clip((self.frame.brow_row + 6 - rows) / 28, 0, 1), np.clip((13 - depth) / 8, 0, 1)
        )
        trust = 0.08 * np.minimum(self._may_be_hair, far)
        return (total / weight[..., np.newaxis]).astype(np.float32), trust.astype(np.float32)

    def _layers(self, chosen: NDArray[np.intp]) -> tuple[list[NDArray[np.float32]], list[Plane]]:
        """Every member's texture at the members' mean tone, and what its pixels count."""
        plain, tones, weights = [], [], []
        for member in chosen:
            layer, tone = self._toneless(member % len(self.faces))
            seen = cv2.erode(self.faces.seen(member % len(self.faces), self.frame).astype(np.uint8), _DISC)
            weight = (cv2.GaussianBlur(self._skin_likelihood(layer), (0, 0), 1.5) + 1e-3) * seen
            mirrored = member >= len(self.faces)
            plain.append(np.ascontiguousarray(layer[:, ::-1]) if mirrored else layer)
            weights.append(np.ascontiguousarray(weight[:, ::-1]) if mirrored else weight)
            tones.append(tone)
        spreads = [max(1.0, float(layer[..., 0][self.frame.skin].std())) for layer in plain]
        tone = np.mean(tones, axis=0)
        for i, spread in enumerate(spreads):
            plain[i][..., 0] *= np.clip(np.mean(spreads) / spread, 0.7, 1.4)
            plain[i] += tone
        return plain, [weight.astype(np.float32) for weight in weights]

    def _weighted(self, layers: list[NDArray[np.float32]], weights: list[Plane]) -> NDArray[np.float32]:
        base, trust = self._plain
        tone = np.mean([np.median(layer[self.frame.skin], axis=0) for layer in layers], axis=0)
        share = trust * len(layers) + 1e-4
        total = (base + tone) * share[..., np.newaxis]
        for layer, weight in zip(layers, weights, strict=True):
            total = total + layer * weight[..., np.newaxis]
        return np.asarray(total / (share + np.sum(weights, axis=0))[..., np.newaxis], dtype=np.float32)

    def _toneless(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        lab = cv2.cvtColor(self.faces.textures[index], cv2.COLOR_RGB2LAB).astype(np.float32)
        tone = np.median(lab[self.frame.skin], axis=0)
        return lab - tone, tone

    def _skin_likelihood(self, toneless: NDArray[np.float32]) -> Plane:
        likely = np.exp(-((toneless / np.array([22, 9, 9], dtype=np.float32)) ** 2).sum(axis=2))
        return np.asarray(1 - self._may_be_hair + self._may_be_hair * likely, dtype=np.float32)

    def _landmarks(self, member: np.intp) -> NDArray[np.float64]:
        points = self.faces.landmarks[member % len(self.faces)].astype(np.float64)
        return np.asarray(points[MIRRORED] * [-1, 1]) if member >= len(self.faces) else points

    def _filled(self, texture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Carry the colours of the rim outwards, so that interpolation at the rim meets skin."""
        face = self.frame.face.astype(np.uint8)
        near = np.asarray(cv2.dilate(face, np.ones((17, 17), np.uint8)), dtype=np.uint8)
        core = np.asarray(cv2.erode(face, _DISC), dtype=np.uint8)
        filled = cv2.inpaint(texture, 1 - core, 3, cv2.INPAINT_TELEA)
        filled[near == 0] = 0
        return np.asarray(filled, dtype=np.uint8)


_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
