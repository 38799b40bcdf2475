"""A small convolutional network and its training, in numpy: the attacker who learns from pixels.

Three times convolution 3 x 3, rectifier, mean over 2 x 2; then one linear layer. Small enough for two CPU
cores and for the few thousand outputs that such an attacker makes; no framework is needed. Everything is
float32 and seeded, so equal pictures give an equal network.

Source of the training rule: Kingma and Ba, Adam, ICLR 2015.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[np.float32]

CROP_PX = 32  # side of what the network sees
_BATCH = 64
_MAX_SHIFT_PX = 2
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True)
class Training:
    """How long and how fast."""

    channels: tuple[int, int, int] = (16, 32, 64)
    epochs: int = 24
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3


class SmallCnn:
    """Maps crops, uint8 (n, 32, 32, 3), to vectors of length 1, float32 (n, d)."""

    def __init__(self, channels: tuple[int, int, int], outputs: int, draw: np.random.Generator) -> None:
        widths = (3, *channels)
        flat = channels[-1] * (CROP_PX // 8) ** 2
        self.weights: list[Tensor] = [_he(draw, 9 * before, after) for before, after in pairwise(widths)]
        self.biases: list[Tensor] = [np.zeros(width, np.float32) for width in channels]
        self.weights.append(_he(draw, flat, outputs))
        self.biases.append(np.zeros(outputs, np.float32))
        self.mean, self.std = np.zeros(3, np.float32), np.ones(3, np.float32)

    @property
    def parameters(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    def __call__(self, crops: NDArray[np.uint8]) -> Tensor:
        """Return float32 (n, d), rows of length 1."""
        steps = range(0, len(crops), 256)
        return np.concatenate([_unit(self.forward(self.normalised(crops[at : at + 256]))[0]) for at in steps])

    def normalised(self, crops: NDArray[np.uint8]) -> Tensor:
        return np.asarray((crops.astype(np.float32) - self.mean) / self.std, dtype=np.float32)

    def forward(self, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the linear layer's output (n, d), and per layer what `gradients` needs."""
        kept = []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            columns = _columns(x)
            y = np.maximum(0, columns @ weight + bias).reshape(*x.shape[:3], -1)
            kept.append((columns, y))
            x = _halved(y)
        flat = x.reshape(len(x), -1)
        kept.append((flat, x))
        return flat @ self.weights[-1] + self.biases[-1], kept

    def gradients(self, slope: Tensor, kept: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """Return the loss's slope for every parameter, in their order, from that for the output (n, d)."""
        flat, pooled = kept[-1]
        for_weights, for_biases = [flat.T @ slope], [slope.sum(axis=0)]
        slope = (slope @ self.weights[-1].T).reshape(pooled.shape)
        for layer in reversed(range(len(self.weights) - 1)):
            columns, y = kept[layer]
            slope = np.repeat(np.repeat(slope, 2, axis=1), 2, axis=2) * np.float32(0.25) * (y > 0)
            rows = slope.reshape(-1, slope.shape[-1])
            for_weights.insert(0, columns.T @ rows)
            for_biases.insert(0, rows.sum(axis=0))
            if layer:
                slope = _from_columns(rows @ self.weights[layer].T, slope.shape)
        return [*for_weights, *for_biases]


def train_small_cnn(
    crops: NDArray[np.uint8],
    targets: Tensor,
    held_out: NDArray[np.bool_],
    training: Training | None = None,
    on_epoch: Callable[[int, float], None] = lambda _epoch, _cosine: None,
) -> SmallCnn:
    """Teach a network which vector belongs to which crop.

    Args:
        crops: uint8 (n, 32, 32, 3).
        targets: (n, d), rows of length 1; the loss is one minus the cosine to them.
        held_out: (n,), crops not learnt from; the epoch that does best on them is the one returned.
        training: settings.
        on_epoch: told the epoch, from 1, and the mean cosine on what was held out.
    """
    training = training or Training()
    draw = np.random.default_rng(32)
    network = SmallCnn(training.channels, targets.shape[1], draw)
    learnt = np.flatnonzero(~held_out)
    network.mean = crops[learnt].mean(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
    network.std = crops[learnt].std(axis=(0, 1, 2), dtype=np.float64).astype(np.float32) + np.float32(1)
    optimizer = _Adam(network.parameters)
    best, best_cosine = [each.copy() for each in network.parameters], -np.inf
    batches = -(-len(learnt) // _BATCH)
    for epoch in range(training.epochs):
        for step, batch in enumerate(_batches(draw, learnt)):
            along = (epoch + step / batches) / training.epochs
            rate = training.learning_rate * 0.5 * (1 + np.cos(np.pi * along))
            y, kept = network.forward(network.normalised(_varied(draw, crops[batch])))
            slopes = network.gradients(_cosine_slope(y, targets[batch]), kept)
            optimizer.step(slopes, rate, training.weight_decay)
        cosine = float((network(crops[held_out]) * targets[held_out]).sum(axis=1).mean())
        on_epoch(epoch + 1, cosine)
        if cosine > best_cosine:
            best, best_cosine = [each.copy() for each in network.parameters], cosine
    for parameter, kept_best in zip(network.parameters, best, strict=True):
        parameter[...] = kept_best
    return network


class _Adam:
    def __init__(self, parameters: list[Tensor]) -> None:
        self._parameters = parameters
        self._first = [np.zeros_like(each) for each in parameters]
        self._second = [np.zeros_like(each) for each in parameters]
        self._steps = 0

    def step(self, slopes: list[Tensor], rate: float, decay: float) -> None:
        self._steps += 1
        scale = rate * np.sqrt(1 - _BETA_2**self._steps) / (1 - _BETA_1**self._steps)
        for parameter, slope, first, second in zip(
            self._parameters, slopes, self._first, self._second, strict=True
        ):
            np.add(first, (1 - _BETA_1) * (slope - first), out=first)
            np.add(second, (1 - _BETA_2) * (slope * slope - second), out=second)
            change = scale * first / (np.sqrt(second) + _EPSILON) + rate * decay * parameter
            np.subtract(parameter, change.astype(np.float32), out=parameter)


def _cosine_slope(y: Tensor, targets: Tensor) -> Tensor:
    """Slope of the mean of 1 - cos(y, target) for y."""
    lengths = np.linalg.norm(y, axis=1, keepdims=True) + np.float32(1e-6)
    unit = y / lengths
    cosine = (unit * targets).sum(axis=1, keepdims=True)
    return np.asarray((cosine * unit - targets) / lengths / len(y), dtype=np.float32)


def _batches(draw: np.random.Generator, indices: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    shuffled = draw.permutation(indices)
    yield from (shuffled[at : at + _BATCH] for at in range(0, len(shuffled), _BATCH))


def _varied(draw: np.random.Generator, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mirrored and moved by a pixel or two, at random."""
    varied = crops.copy()
    mirrored = draw.random(len(crops)) < 0.5
    varied[mirrored] = varied[mirrored, :, ::-1]
    moves = draw.integers(-_MAX_SHIFT_PX, _MAX_SHIFT_PX + 1, 2)
    return np.roll(varied, tuple(int(move) for move in moves), axis=(1, 2))


def _columns(x: Tensor) -> Tensor:
    """Every pixel's 3 x 3 surroundings as a row: (n, h, w, c) -> (n h w, 9 c)."""
    n, height, width, channels = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    columns = np.empty((n, height, width, 3, 3, channels), np.float32)
    for down in range(3):
        for across in range(3):
            columns[:, :, :, down, across] = padded[:, down : down + height, across : across + width]
    return columns.reshape(-1, 9 * channels)


def _halved(x: Tensor) -> Tensor:
    """Mean over 2 x 2: (n, h, w, c) -> (n, h / 2, w / 2, c)."""
    rows = x[:, ::2] + x[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) * np.float32(0.25)


def _from_columns(columns: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Add every row back to the 3 x 3 pixels it was taken from: what `_columns` does, transposed."""
    n, height, width, _ = shape
    parts = columns.reshape(n, height, width, 3, 3, -1)
    padded = np.zeros((n, height + 2, width + 2, parts.shape[-1]), np.float32)
    for down in range(3):
        for across in range(3):
            padded[:, down : down + height, across : across + width] += parts[:, :, :, down, across]
    inner: Tensor = padded[:, 1:-1, 1:-1]
    return inner


def _unit(rows: Tensor) -> Tensor:
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6), dtype=np.float32)


def _he(draw: np.random.Generator, inputs: int, outputs: int) -> Tensor:
    return np.asarray(draw.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs), dtype=np.float32)
