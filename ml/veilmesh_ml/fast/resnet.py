"""dlib's face encoder: a residual network of 29 convolutions, 150 x 150 px RGB to 128 features.

    stem (7 x 7, every 2nd pixel) -> ReLU -> largest of 3 x 3 -> 14 blocks -> mean over all places -> dense

A block adds to its input what two 3 x 3 convolutions make of it. The first block of the last four groups
halves its input (mean of 2 x 2); input and addend may then differ in size or channels, and each counts as 0
beyond its end: at the bottom, at the right, in the higher channels.

Source: dlib `examples/dnn_face_recognition_ex.cpp`; K. He et al., Deep Residual Learning, CVPR 2016.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.engine import CHIP_PX
from veilmesh_ml.errors import ModelError
from veilmesh_ml.fast.dlib_network import (
    AddTagged,
    Affine,
    AveragePool,
    Convolution,
    Dense,
    Layer,
    MaxPool,
    MetricLoss,
    Network,
    Relu,
    TagOrSkip,
)
from veilmesh_ml.fast.folding import folded_convolutions, with_mean, with_pixel_scale
from veilmesh_ml.fast.onnx_model import ELEMENT_FLOAT, OnnxGraph

CHIPS, FEATURES = "chips", "features"  # names of the graph's input and output

_STEM = (Convolution, Affine, Relu, MaxPool)
_BLOCK = (TagOrSkip, Convolution, Affine, Relu, Convolution, Affine, AddTagged, Relu)
_HALVING_BLOCK = (*_BLOCK[:6], TagOrSkip, TagOrSkip, AveragePool, AddTagged, Relu)
_END = (AveragePool, Dense, MetricLoss)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Two convolutions; the input is halved where the first one's stride is 2."""

    first: Convolution
    second: Convolution

    @property
    def halves(self) -> bool:
        return self.first.stride == 2


@dataclass(frozen=True, slots=True, eq=False)
class Resnet:
    """The encoder, normalisation folded in: takes pixels from 0 to 255.

    Attributes:
        stem: followed by ReLU and the largest of 3 x 3 at every 2nd place.
        blocks: in order.
        projection: float32 (channels, 128).
    """

    stem: Convolution
    blocks: tuple[Block, ...]
    projection: NDArray[np.float32]

    @classmethod
    def of(cls, network: Network) -> "Resnet":
        """Recognise the encoder in a file's layers.

        Raises:
            ModelError: they are not those of dlib's encoder.
        """
        rest = list(network.layers)
        (stem,) = folded_convolutions(_take(rest, _STEM))
        blocks = []
        while rest and isinstance(rest[0], TagOrSkip):
            halves = len(rest) > len(_BLOCK) and isinstance(rest[6], TagOrSkip)
            blocks.append(Block(*folded_convolutions(_take(rest, _HALVING_BLOCK if halves else _BLOCK))))
        (dense,) = (layer for layer in _take(rest, _END) if isinstance(layer, Dense))
        return cls(with_mean(with_pixel_scale(stem), network.input), tuple(blocks), dense.weights)

    def to_onnx(self) -> bytes:
        """Return it as an ONNX file: uint8 (n, 150, 150, 3) in, float32 (n, 128) out."""
        graph = OnnxGraph("resnet")
        chips = graph.input(CHIPS, np.uint8, ["n", CHIP_PX, CHIP_PX, 3])
        pixels = graph.node("Cast", graph.node("Transpose", chips, perm=[0, 3, 1, 2]), to=ELEMENT_FLOAT)
        places = graph.node("Relu", graph.convolution(pixels, self.stem))
        places = graph.node("MaxPool", places, kernel_shape=[3, 3], strides=[2, 2])
        size, channels = (CHIP_PX - 7) // 2 + 1, len(self.stem.biases)
        size = (size - 3) // 2 + 1
        for block in self.blocks:
            places, size, channels = _add_block(graph, block, places, size, channels)
        means = graph.node("Flatten", graph.node("GlobalAveragePool", places))
        features = graph.node("MatMul", means, graph.constant(self.projection))
        graph.output(FEATURES, features, np.float32, ["n", self.projection.shape[1]])
        return graph.serialized()


def _add_block(graph: OnnxGraph, block: Block, places: str, size: int, channels: int) -> tuple[str, int, int]:
    """Add a block; `size` (px) and `channels` are those of its input, and then of its output."""
    added = graph.convolution(graph.node("Relu", graph.convolution(places, block.first)), block.second)
    if block.halves:
        places = graph.node("AveragePool", places, kernel_shape=[2, 2], strides=[2, 2])
        added_size, halved, added_channels = (size - 3) // 2 + 1, size // 2, len(block.second.biases)
        size = max(added_size, halved)
        added = _extended(graph, added, 0, size - added_size)
        places = _extended(graph, places, added_channels - channels, size - halved)
        channels = added_channels
    return graph.node("Relu", graph.node("Add", added, places)), size, channels


def _extended(graph: OnnxGraph, places: str, channels: int, px: int) -> str:
    """Add that many channels, rows and columns of zeros behind the last."""
    if not channels and not px:
        return places
    return graph.node("Pad", places, graph.constant(np.array([0, 0, 0, 0, 0, channels, px, px])))


def _take(rest: list[Layer], kinds: Sequence[type[Layer]]) -> list[Layer]:
    """Remove the next layers, which must be of these kinds."""
    taken = rest[: len(kinds)]
    if [type(layer) for layer in taken] != list(kinds):
        raise ModelError(
            "the model's layers are not those of dlib's face encoder",
            hint="install face_recognition_models 0.3.0 again",
        )
    del rest[: len(kinds)]
    return taken
