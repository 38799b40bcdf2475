"""dlib's MMOD face detector: seven convolutions over a tiled pyramid, and what their scores mean.

    three of 5 x 5 at every 2nd pixel -> three of 5 x 5 -> one of 9 x 9, a ReLU after each but the last

A score above 0 is a box of the window's size about its place, and belongs to the level of the pyramid that
its centre lies in. Of boxes that overlap only the surest is kept.

Source: D. King, Max-Margin Object Detection, 2015; dlib `dnn/loss.h` (`loss_mmod_`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.errors import ModelError
from veilmesh_ml.face import Box
from veilmesh_ml.fast.dlib_network import Affine, Convolution, MmodLoss, Network, Relu
from veilmesh_ml.fast.folding import folded_convolutions, with_pixel_scale
from veilmesh_ml.fast.onnx_model import OnnxGraph
from veilmesh_ml.fast.tiling import Tiling

TILED, SCORES = "tiled", "scores"  # names of the graph's input and output

# Three convolutions of 5 x 5 at every 2nd pixel: cell i sees 29 px about pixel 8 i + 14. The others look at
# 2 + 2 + 2 + 4 more cells on every side.
CELL_PX = 8
CELL_FIELD_PX = 29
HALO_CELLS = 10

_CONVOLUTIONS = 7
_LAYERS = (*(Convolution, Affine, Relu) * (_CONVOLUTIONS - 1), Convolution, MmodLoss)


@dataclass(frozen=True, slots=True)
class Detection:
    """Attributes: confidence: unitless, higher is surer, above 0."""

    box: Box
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Mmod:
    """The detector, normalisation folded in.

    Attributes:
        convolutions: in order, a ReLU after each but the last. They take pixels from 0 to 255 less `mean`,
            and zeros where there is none.
        mean: of red, green and blue.
        window_px: width and height of a box, in pixels of the tiled picture.
        suppression: a box goes if what it shares with a surer one is more than this part of the rectangle
            about both.
    """

    convolutions: tuple[Convolution, ...]
    mean: tuple[float, ...]
    window_px: tuple[int, int]
    suppression: float

    @classmethod
    def of(cls, network: Network) -> "Mmod":
        """Recognise the detector in a file's layers.

        Raises:
            ModelError: they are not those of dlib's detector.
        """
        loss = network.layers[-1]
        if [type(layer) for layer in network.layers] != list(_LAYERS) or not isinstance(loss, MmodLoss):
            raise ModelError(
                "the model's layers are not those of dlib's face detector",
                hint="install face_recognition_models 0.3.0 again",
            )
        first, *others = folded_convolutions(network.layers)
        return cls((with_pixel_scale(first), *others), network.input.mean, loss.window_px, loss.suppression)

    def to_onnx(self) -> bytes:
        """Return it as an ONNX file: float32 (1, 3, height, width) in, float32 (1, 1, rows, columns) out."""
        graph = OnnxGraph("mmod")
        places = graph.input(TILED, np.float32, [1, 3, "height", "width"])
        *others, last = self.convolutions
        for convolution in others:
            places = graph.node("Relu", graph.convolution(places, convolution))
        graph.output(SCORES, graph.convolution(places, last), np.float32, [1, 1, "rows", "columns"])
        return graph.serialized()

    def detections(
        self, scores: NDArray[np.float32], arrangement: Tiling, floor: float = 0.0
    ) -> list[Detection]:
        """Return the boxes in the picture that these scores mean, surest first.

        Args:
            scores: (rows, columns), of the tiled picture.
            arrangement: how the picture was tiled.
            floor: a score must be higher.
        """
        rows, columns = np.nonzero(scores > floor)
        confidences = scores[rows, columns].astype(np.float64)
        surest_first = np.argsort(-confidences, kind="stable")
        centres = CELL_PX * np.stack([columns, rows], axis=1)[surest_first] + CELL_FIELD_PX // 2
        levels = arrangement.levels_at(centres)
        reach = (np.array(self.window_px) - 1) / 2
        corners = np.hstack(
            [arrangement.to_picture(centres - reach, levels), arrangement.to_picture(centres + reach, levels)]
        )
        kept = _without_overlaps(_rounded(corners), self.suppression)
        return [
            Detection(Box(left, top, right + 1, bottom + 1), float(confidences[surest_first[index]]))
            for index, (left, top, right, bottom) in kept
        ]


def scores_in_bands(
    tiled: Any,
    score: Callable[[Any], NDArray[np.float32]],
    band_px: int = 4_000_000,
) -> NDArray[np.float32]:
    """Run the network over a tiled picture band by band, so that memory stays bounded; equal to one run.

    Args:
        tiled: (1, 3, height, width), an array or a tensor.
        score: the network: (1, 3, height, width) -> (rows, columns).
        band_px: how many pixels to score at once, about; smaller bands see more pixels twice.

    Returns:
        (rows, columns); empty where the picture is too small for one cell.
    """
    _, _, height, width = tiled.shape
    rows, columns = ((size - CELL_FIELD_PX) // CELL_PX + 1 for size in (height, width))
    if min(rows, columns) < 1:
        return np.empty((0, 0), np.float32)
    rows_at_once = max(band_px // (width * CELL_PX), HALO_CELLS)
    scores = np.empty((rows, columns), np.float32)
    for first in range(0, rows, rows_at_once):
        last = min(first + rows_at_once, rows)
        above, below = max(first - HALO_CELLS, 0), min(last + HALO_CELLS, rows)
        band = tiled[:, :, CELL_PX * above : CELL_PX * (below - 1) + CELL_FIELD_PX]
        scores[first:last] = score(band)[first - above : last - above]
    return scores


def _rounded(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round halves away from zero, as C does."""
    return (np.sign(numbers) * np.floor(np.abs(numbers) + 0.5)).astype(np.int64)


def _without_overlaps(
    boxes: NDArray[np.int64], suppression: float
) -> "list[tuple[int, tuple[int, int, int, int]]]":
    """Keep boxes (n, 4) that overlap none kept before: index, and first and last column and row within."""
    kept: list[int] = []
    for index, box in enumerate(boxes):
        others = boxes[kept]
        shared = _sides(np.maximum(others[:, :2], box[:2]), np.minimum(others[:, 2:], box[2:]))
        about = _sides(np.minimum(others[:, :2], box[:2]), np.maximum(others[:, 2:], box[2:]))
        if not (shared / about > suppression).any():
            kept.append(index)
    return [(index, tuple(boxes[index].tolist())) for index in kept]


def _sides(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    """Area of rectangles between first and last pixels (n, 2); 0 where they are empty."""
    sides = np.maximum(last - first + 1, 0)
    area: NDArray[np.int64] = sides[:, 0] * sides[:, 1]
    return area
