"""A convolutional autoencoder: the face as it comes back through a code of 64 numbers.

The baseline "CAE" of S4's tables (He Yi, Shi Lei and Hernandez), of which S4 tells no more than the name; see
`networks.autoencoder` for what it is here. It is measured beside other methods and no attempt of it hides
more: what comes back is the person, blurred.
"""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.anonymizers.anonymizer import AnonymizedImage, repaint
from veilmesh_ml.exported import ExportedNetwork
from veilmesh_ml.face import Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.inpainting.canvas import CANVAS_PX, onto_canvas
from veilmesh_ml.inpainting.cutting import cut_out
from veilmesh_ml.regions import Region, face_region
from veilmesh_ml.surrogate.points import Similarity
from veilmesh_ml.weights import shipped_bank

NAME: Final = "autoencoder"
SIDE_PX: Final = 64  # of what the network takes
GROW: Final = 0.15

# [n, 3, 64, 64], -1 to 1, to the same.
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Autoencoder:
    """Replace every face by what the network makes of it."""

    name: Final = NAME
    attempts: Final = 1

    def __init__(self, threads: int | None = None, network: Network | None = None) -> None:
        """Threads: of the shipped network. Network: another one.

        Raises:
            ModelError: the shipped one is missing, altered, or of another config.
        """
        if network is None:
            network = ExportedNetwork(NAME, threads)
            network.require_shapes([(3, SIDE_PX, SIDE_PX)], [(3, SIDE_PX, SIDE_PX)])
        self._network = network

    def anonymize(self, image: RgbImage, faces: list[Face], *, attempt: int = 0) -> AnonymizedImage:  # noqa: ARG002 (there is one)
        """Every face alone: two that overlap each see the picture as it was."""
        mean_shape = shipped_bank().frame.mean_shape
        ways = [onto_canvas(face.landmarks, mean_shape) for face in faces]
        returned = self._returned(image, ways) if ways else []
        corners: list[tuple[int, int]] = []

        def region_of(shape: tuple[int, ...], face: Face) -> Region:
            region = face_region(shape, face, GROW)
            corners.append((region.window.left, region.window.top))
            return region

        def paint(window: RgbImage, _face: Face, index: int) -> RgbImage:
            return _laid_back(returned[index], ways[index], corners[index], window.shape)

        changed, areas = repaint(image, faces, region_of, paint)
        return AnonymizedImage(changed, self.name, {"grow": GROW}, areas)

    def _returned(self, image: RgbImage, ways: list[Similarity]) -> list[RgbImage]:
        """Return the canvases as they come back, uint8 (128, 128, 3)."""
        given = np.stack(
            [
                cv2.resize(cut_out(image, way), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
                for way in ways
            ]
        )
        back = self._network(given.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - 1)
        pixels = np.clip(np.rint((back.transpose(0, 2, 3, 1) + 1) * 127.5), 0, 255).astype(np.uint8)
        return [
            np.asarray(cv2.resize(each, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_CUBIC), np.uint8)
            for each in pixels
        ]


def _laid_back(
    canvas: RgbImage, onto: Similarity, corner: tuple[int, int], shape: tuple[int, ...]
) -> RgbImage:
    """Return a window of the photo as the canvas shows it, its upper left pixel at `corner`, x and y."""
    shift = onto.matrix @ np.array(corner, dtype=np.float64) + onto.shift
    return np.asarray(
        cv2.warpAffine(
            canvas,
            np.column_stack([onto.matrix, shift]),
            (shape[1], shape[0]),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.uint8,
    )
