"""The layers of a trained network in a dlib file.

A file holds, in this order:

1. integer 1 and the loss layer's details;
2. one integer per wrapper, from the outermost layer in: 2 for a layer that computes, 1 for a tag or a skip,
   3 for the innermost, which sees the picture;
3. the input's details, then the innermost layer's, then every other's from there outwards. After the details
   of a layer that computes come three booleans and three tensors of training, empty here; after the
   innermost's an integer more. A tag or a skip writes nothing.

Which tag is which, and where a skip leads, stands in the C++ type alone; `resnet` knows it.

Source: dlib `dnn/core.h`, `dnn/layers.h`, `dnn/input.h`, `dnn/loss.h`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.fast.dlib_stream import DlibStream

FILE_VERSION = 1
WRAPPER_COMPUTES = 2
WRAPPER_TAGS = 1
WRAPPER_SEES_INPUT = 3
LARGEST_WRAPPER_VERSION = 3  # whatever is larger is the length of the input's name


@dataclass(frozen=True, slots=True)
class Input:
    """Attributes: mean: of red, green and blue, subtracted before all pixels are divided by 256."""

    mean: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """A convolution with equal steps and margins in both directions.

    Attributes:
        weights: (out, in, height, width), correlated as they stand; float32 in a file, float64 once folded.
        biases: (out,), as the weights.
        stride: px.
        padding: px of zeros on every side.
    """

    weights: NDArray[np.floating]
    biases: NDArray[np.floating]
    stride: int
    padding: int


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """Channel by channel gain * x + offset, float64 (channels,); a batch normalisation comes as this too."""

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Relu:
    pass


@dataclass(frozen=True, slots=True)
class AddTagged:
    """Adds the output of a tagged layer; where the two differ in size, the smaller counts as 0 beyond."""


@dataclass(frozen=True, slots=True)
class TagOrSkip:
    pass


@dataclass(frozen=True, slots=True)
class MaxPool:
    size: int  # px
    stride: int


@dataclass(frozen=True, slots=True)
class AveragePool:
    size: int  # px; 0: all there is
    stride: int


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """x @ weights: float32 (inputs, outputs)."""

    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MetricLoss:
    pass


@dataclass(frozen=True, slots=True)
class MmodLoss:
    """Max-margin object detection.

    Attributes:
        window_px: width and height of the one kind of box it finds, in the scale of a pyramid's level.
        suppression: how far a box may overlap a surer one; see `mmod`.
    """

    window_px: tuple[int, int]
    suppression: float


Layer: TypeAlias = (
    Convolution
    | Affine
    | Relu
    | AddTagged
    | TagOrSkip
    | MaxPool
    | AveragePool
    | Dense
    | MetricLoss
    | MmodLoss
)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Attributes: layers: from the one that sees the picture to the loss."""

    input: Input
    layers: tuple[Layer, ...]


def read_network(path: Path) -> Network:
    """Read a file; see `parse_network`."""
    return parse_network(path.read_bytes(), path.name)


def parse_network(content: bytes, name: str) -> Network:
    """Read a file's content to the last byte.

    Args:
        content: the file.
        name: how errors call it.

    Raises:
        ModelError: the bytes are no network, or one of layers that we do not know.
    """
    stream = DlibStream(content, name)
    if stream.integer() != FILE_VERSION:
        raise stream.error("another version of the file")
    loss = _layer(stream)
    wrappers: list[int] = []
    while stream.peek_integer() <= LARGEST_WRAPPER_VERSION:
        wrappers.append(stream.integer())
    pixels = _input(stream)
    if not wrappers or wrappers.pop() != WRAPPER_SEES_INPUT:
        raise stream.error("an innermost layer that we do not know")
    layers = [_computing_layer(stream)]
    stream.integer()
    for version in reversed(wrappers):
        if version == WRAPPER_TAGS:
            layers.append(TagOrSkip())
        elif version == WRAPPER_COMPUTES:
            layers.append(_computing_layer(stream))
        else:
            raise stream.error(f"a layer of version {version}")
    if not stream.at_end:
        raise stream.error("there is more after the last layer")
    return Network(pixels, (*layers, loss))


def _input(stream: DlibStream) -> Input:
    kind = stream.text()
    mean = stream.reals(3)
    if kind == "input_rgb_image_sized":
        stream.integers(2)
    elif kind != "input_rgb_image_pyramid":
        raise stream.error(f"an input {kind!r} that we do not know")
    return Input(mean)


def _computing_layer(stream: DlibStream) -> Layer:
    layer = _layer(stream)
    stream.booleans(3)
    for _ in range(3):
        stream.tensor()
    return layer


def _layer(stream: DlibStream) -> Layer:
    kind = stream.text()
    if kind not in _READERS:
        raise stream.error(f"a layer {kind!r} that we do not know")
    return _READERS[kind](stream)


def _convolution(stream: DlibStream) -> Convolution:
    parameters = stream.tensor().ravel()
    outputs, _, _, stride, stride_x, padding, padding_x = stream.integers(7)
    shape = stream.tensor_view()
    stream.tensor_view()  # the biases: what is left
    stream.reals(4)  # of training
    size = math.prod(shape)
    if (stride, padding, len(parameters)) != (stride_x, padding_x, size + outputs) or min(shape) < 1:
        raise stream.error("a convolution that we do not know")
    return Convolution(parameters[:size].reshape(shape), parameters[size:], stride, padding)


def _affine(stream: DlibStream) -> Affine:
    gain, offset = _halves(stream)
    if len(gain) != len(offset):
        raise stream.error("an affine layer that we do not know")
    stream.integer()  # for convolutions or for dense layers: the same arithmetic
    return Affine(gain, offset)


def _batch_normalisation(stream: DlibStream) -> Affine:
    gain, offset = _halves(stream)
    _, _, mean, variance = (stream.tensor().ravel().astype(np.float64) for _ in range(4))
    stream.integers(2)
    stream.reals(4)
    epsilon = stream.real()
    if not len(gain) == len(offset) == len(mean) == len(variance) or not (variance + epsilon > 0).all():
        raise stream.error("a normalisation that we do not know")
    scaled = gain / np.sqrt(variance + epsilon)
    return Affine(scaled, offset - scaled * mean)


def _halves(stream: DlibStream) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    parameters = stream.tensor().ravel().astype(np.float64)
    stream.tensor_view()
    stream.tensor_view()
    half = len(parameters) // 2
    return parameters[:half], parameters[half:]


def _max_pool(stream: DlibStream) -> MaxPool:
    return MaxPool(*_pool(stream))


def _average_pool(stream: DlibStream) -> AveragePool:
    return AveragePool(*_pool(stream))


def _pool(stream: DlibStream) -> tuple[int, int]:
    size, size_x, stride, stride_x, padding, padding_x = stream.integers(6)
    if (size, stride, padding, padding_x) != (size_x, stride_x, 0, 0):
        raise stream.error("a pooling that we do not know")
    return size, stride


def _dense(stream: DlibStream) -> Dense:
    outputs, inputs = stream.integers(2)
    parameters = stream.tensor().ravel()
    stream.tensor_view()
    stream.tensor_view()
    stream.integer()
    stream.reals(4)
    if len(parameters) != inputs * outputs:
        raise stream.error("a dense layer with biases")
    return Dense(parameters.reshape(inputs, outputs))


def _metric_loss(stream: DlibStream) -> MetricLoss:
    stream.reals(2)
    return MetricLoss()


def _mmod_loss(stream: DlibStream) -> MmodLoss:
    if stream.integer() != 1:
        raise stream.error("a detector of several kinds of boxes")
    width, height = stream.integers(2)
    stream.reals(3)
    suppression, _, _, _ = stream.reals(4)
    return MmodLoss((width, height), suppression)


_READERS: dict[str, Callable[[DlibStream], Layer]] = {
    "con_4": _convolution,
    "affine_": _affine,
    "bn_con2": _batch_normalisation,
    "relu_": lambda _: Relu(),
    "add_prev_": lambda _: AddTagged(),
    "max_pool_2": _max_pool,
    "avg_pool_2": _average_pool,
    "fc_2": _dense,
    "loss_metric_2": _metric_loss,
    "loss_mmod_": _mmod_loss,
}
