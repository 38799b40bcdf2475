"""How the expression classifier is trained (S3, equation 3), on FER2013.

Cross-entropy with smoothed labels over faces that are moved, mirrored, relit, partly covered and mixed
(mixup, Zhang et al. 2018); AdamW with one cycle of the learning rate.

FER2013 holds copies. A picture that stands under two labels teaches neither; of several copies under one
label one is kept. A tenth of what remains, chosen by the pictures' digests, is held out for choosing a
checkpoint; FER2013's test pictures take no part.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from veilmesh_ml.expressions import EXPRESSIONS
from veilmesh_ml.networks.expression import ExpressionClassifier
from veilmesh_ml.train.packed import Packed, grey
from veilmesh_ml.train.pictures import from_network, sheet, to_network
from veilmesh_ml.train.trainer import Batch, Compute, Losses, Model

_JUDGED_EVERY: Final = 200  # steps
_WARM_UP: Final = 0.1  # of all steps
_SHOWN: Final = 12  # faces of each expression


@dataclass(frozen=True, slots=True)
class ExpressionTraining:
    """Numbers of the training.

    Attributes:
        smoothing: of the labels.
        mixing: both parameters of mixup's beta distribution.
        averaging: what the average keeps at each step.
    """

    batch: int = 64
    steps: int = 7_000
    seed: int = 0
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    mixing: float = 0.2
    averaging: float = 0.998


class ExpressionRecipe:
    """Implements `Recipe`."""

    def __init__(self, config: ExpressionTraining, packed: Packed, compute: Compute) -> None:
        expressions = packed.require_expressions()
        self._config, self._compute = config, compute
        taught, held_out = split(expressions.pictures, expressions.labels)
        pictures = grey(expressions.pictures)
        self._pictures, self._labels = pictures[taught], expressions.labels[taught]
        self._held_out, self._held_out_labels = pictures[held_out], expressions.labels[held_out]
        classifier = compute.place(ExpressionClassifier())
        self.modules: Mapping[str, Any] = {"classifier": classifier}
        self.averaged: Mapping[str, float] = {"classifier": config.averaging}
        self.optimizers: Mapping[str, Any] = {
            "classifier": torch.optim.AdamW(
                classifier.parameters(), config.learning_rate, weight_decay=config.weight_decay
            )
        }

    def batch(self, random: np.random.Generator) -> Batch:
        """Faces and the share of each expression in them."""
        count = self._config.batch
        drawn = random.integers(len(self._pictures), size=count)
        faces = _relit(_moved(to_network(self._pictures[drawn]), random), random)
        _cover(faces, random)
        labels = torch.nn.functional.one_hot(torch.from_numpy(self._labels[drawn]).long(), len(EXPRESSIONS))
        share = float(random.beta(self._config.mixing, self._config.mixing))
        others = torch.from_numpy(random.permutation(count))
        return {
            "faces": faces.lerp(faces[others], 1 - share),
            "labels": labels.float().lerp(labels[others].float(), 1 - share),
        }

    def step(self, batch: Batch, done: int) -> Losses:
        classifier, optimizer = self.modules["classifier"], self.optimizers["classifier"]
        for group in optimizer.param_groups:
            group["lr"] = self._config.learning_rate * _cycle(done / self._config.steps)
        classifier.train()
        with self._compute.autocast():
            logits = classifier(batch["faces"]).float()
        loss = functional.cross_entropy(logits, batch["labels"], label_smoothing=self._config.smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses = {"loss": loss.detach()}
        if done % _JUDGED_EVERY == _JUDGED_EVERY - 1:
            losses["held_out_accuracy"] = (self._judged(classifier) == self._held_out_labels).mean()
        return losses

    def samples(self, averages: Mapping[str, Any]) -> NDArray[np.uint8]:
        """A sheet of faces held out, a row for each expression that was seen in them."""
        judged = self._judged(averages["classifier"])
        blank = np.zeros((1, *self._held_out.shape[1:]), dtype=np.uint8)
        rows = []
        for label in range(len(EXPRESSIONS)):
            shown = self._held_out[judged == label][:_SHOWN]
            rows.append(np.concatenate([shown, blank.repeat(_SHOWN - len(shown), axis=0)]))
        return sheet(from_network(to_network(np.concatenate(rows))), columns=_SHOWN)

    def _judged(self, classifier: Any) -> NDArray[np.int64]:
        """Return what is seen in the faces held out."""
        was_training = classifier.training
        classifier.eval()
        seen = recognised(classifier, self._compute.place(to_network(self._held_out)))
        classifier.train(was_training)
        return seen


def recognised(classifier: Any, faces: Tensor) -> NDArray[np.int64]:
    """Return what is seen in faces, [n, 1, 48, 48], each together with its mirror image, (n,)."""
    with torch.no_grad():
        likely = classifier(faces).softmax(1) + classifier(faces.flip(3)).softmax(1)
    return np.asarray(likely.argmax(1).cpu().numpy())


def split(pictures: Sequence[bytes], labels: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which pictures teach and which are held out; see the module for those in neither."""
    places: dict[bytes, list[int]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        places[hashlib.sha256(picture).digest()].append(index)
    taught: list[int] = []
    held_out: list[int] = []
    for digest, copies in places.items():
        if len({int(labels[index]) for index in copies}) == 1:
            (held_out if digest[0] % 10 == 0 else taught).append(copies[0])
    return np.array(taught, dtype=np.intp), np.array(held_out, dtype=np.intp)


def _cycle(share: float) -> float:
    """Return the part of the learning rate at this share of the steps: up, then down to 0 along a cosine."""
    if share < _WARM_UP:
        return 0.05 + 0.95 * share / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (share - _WARM_UP) / (1 - _WARM_UP)))


def _moved(faces: Tensor, random: np.random.Generator) -> Tensor:
    """Turn by up to 12 degrees, scale by up to 15 %, shift by up to a twelfth, mirror every other face."""
    count = len(faces)
    angle = np.radians(random.uniform(-12, 12, count))
    scale = random.uniform(0.85, 1.15, count)
    mirror = np.where(random.random(count) < 0.5, -1, 1)
    shift = random.uniform(-1 / 6, 1 / 6, (count, 2))  # of half a side
    rows = np.array(
        [
            [np.cos(angle) * scale * mirror, -np.sin(angle) * scale, shift[:, 0]],
            [np.sin(angle) * scale * mirror, np.cos(angle) * scale, shift[:, 1]],
        ]
    ).transpose(2, 0, 1)
    grid = functional.affine_grid(
        torch.from_numpy(rows.astype(np.float32)), list(faces.shape), align_corners=False
    )
    return functional.grid_sample(faces, grid, padding_mode="border", align_corners=False)


def _relit(faces: Tensor, random: np.random.Generator) -> Tensor:
    """Change contrast by up to 30 % and lightness by up to a fifth."""
    count = len(faces)
    contrast = torch.from_numpy(random.uniform(0.7, 1.3, (count, 1, 1, 1)).astype(np.float32))
    lightness = torch.from_numpy(random.uniform(-0.2, 0.2, (count, 1, 1, 1)).astype(np.float32))
    return (faces * contrast + lightness).clamp(-1, 1)


def _cover(faces: Tensor, random: np.random.Generator) -> None:
    """Grey out a square of 12 px in every other face."""
    side = faces.shape[2]
    corners = random.integers(-6, side - 6, size=(len(faces), 2))
    for face, (top, left), covered in zip(faces, corners, random.random(len(faces)) < 0.5, strict=True):
        if covered:
            face[:, max(0, top) : top + 12, max(0, left) : left + 12] = 0


MODEL: Final = Model(ExpressionTraining, ExpressionRecipe)
