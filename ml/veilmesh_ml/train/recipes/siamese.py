"""Trains the siamese network with the contrastive loss (S2, section IV.A; Hadsell, Chopra and LeCun 2006).

    same person:   d^2
    other person:  max(0, margin - d)^2

Few people here have several photos (some 1,300), and pairs of them alone teach a network little more than
who these are. So the embedding is also drawn towards dlib's features of the same photo, which keep people
apart at 0.6; the margin comes from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from veilmesh_ml.networks.siamese import Siamese, SiameseConfig
from veilmesh_ml.train.packed import Packed, decode
from veilmesh_ml.train.pictures import to_network
from veilmesh_ml.train.recipes.faces_only import face_masks, rows_sheet, shares
from veilmesh_ml.train.trainer import Batch, Compute, Losses, Model


@dataclass(frozen=True, slots=True)
class SiameseTrainingConfig:
    """Attributes: margin, of dissimilarity between different people; guide, weight of dlib's features."""

    batch: int = 64  # photos: half of them are the other halves' partners
    seed: int = 0
    steps: int = 6000
    learning_rate: float = 1e-3
    margin: float = 0.8
    guide: float = 100.0
    keep: float = 0.995


class SiameseTraining:
    """A `Recipe`."""

    def __init__(self, config: SiameseTrainingConfig, packed: Packed, compute: Compute) -> None:
        faces, _ = packed.require_faces()
        self._config, self._compute = config, compute
        self._network = compute.place(Siamese(SiameseConfig()))
        self._optimizer = torch.optim.Adam(self._network.parameters(), config.learning_rate)
        self._pixels, self._masks = decode(faces.pictures), face_masks(faces.landmarks)
        self._features, self._people = faces.features, faces.people
        train = np.flatnonzero(~faces.held_out)
        self._train = train
        self._several = _of_several(faces.people, train)
        self._judging = _of_several(faces.people, np.flatnonzero(faces.held_out))

    @property
    def modules(self) -> Mapping[str, Any]:
        return {"siamese": self._network}

    @property
    def averaged(self) -> Mapping[str, float]:
        return {"siamese": self._config.keep}

    @property
    def optimizers(self) -> Mapping[str, Any]:
        return {"siamese": self._optimizer}

    def batch(self, random: np.random.Generator) -> Batch:
        """Half pairs of one person, half of two; the second of a pair is `batch / 2` further on."""
        half, same = self._config.batch // 2, self._config.batch // 4
        people = random.integers(0, len(self._several), same)
        mated = np.array([random.choice(self._several[person], 2, replace=False) for person in people])
        strangers = random.choice(self._train, (half - same, 2))
        pairs = np.concatenate([mated, strangers])
        chosen = pairs.T.ravel()
        mirrored = random.random(len(chosen)) < 0.5
        light = np.clip(1 + 0.15 * random.standard_normal((len(chosen), 1, 1, 1)), 0.6, 1.4).astype(
            np.float32
        )
        faces = to_network(_mirrored(self._pixels[chosen], mirrored))
        masks = shares(_mirrored(self._masks[chosen], mirrored))
        return {
            "faces": (((faces + 1) * torch.from_numpy(light) - 1).clamp(-1, 1)) * masks,
            "features": torch.from_numpy(self._features[chosen]),
            "same": torch.from_numpy(self._people[pairs[:, 0]] == self._people[pairs[:, 1]]),
        }

    def step(self, batch: Batch, done: int) -> Losses:
        rate = self._config.learning_rate * min(1.0, (self._config.steps - done) / (0.4 * self._config.steps))
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        with self._compute.autocast():
            embedded = self._network(batch["faces"])[0].float()
        first, second = embedded.chunk(2)
        apart = (first - second).square().sum(1).add(1e-9).sqrt()
        contrastive = torch.where(
            batch["same"], apart.square(), functional.relu(self._config.margin - apart).square()
        ).mean()
        guide = functional.mse_loss(embedded, batch["features"])
        self._optimizer.zero_grad(set_to_none=True)
        (contrastive + self._config.guide * guide).backward()
        self._optimizer.step()
        return {"contrastive": contrastive.detach(), "guide": guide.detach() * 128}

    def samples(self, averages: Mapping[str, Any]) -> NDArray[np.uint8]:
        """Rows: faces held out, another photo of each, which of those photos it takes for nearest."""
        people = self._judging[:16]
        chosen = np.concatenate([[photos[0] for photos in people], [photos[1] for photos in people]])
        faces = to_network(self._pixels[chosen]) * shares(self._masks[chosen])
        embedded = averages["siamese"](self._compute.place(faces))[0].float().cpu()
        probes, gallery = embedded.chunk(2)
        nearest = torch.cdist(probes, gallery).argmin(1)
        first, second = faces.chunk(2)
        return rows_sheet([first, second, second[nearest]])


def _of_several(people: NDArray[np.int32], among: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The photos of each person who has two or more."""
    order = among[np.argsort(people[among], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(people[order])) + 1)
    return [group for group in groups if len(group) > 1]


def _mirrored(pictures: NDArray[np.uint8], which: NDArray[np.bool_]) -> NDArray[np.uint8]:
    pictures = pictures.copy()
    pictures[which] = pictures[which, :, ::-1]
    return pictures


MODEL: Final = Model(SiameseTrainingConfig, SiameseTraining)
