"""The fast engine: what the reference engine does, with dlib's encoder and MMOD on faster machinery.

HOG, landmarks and chips are the very same code (`face_finder`). The encoder's features differ from dlib's by
less than 1e-6, so both engines go by one `model_digest` and may compare with each other.

How `detect` looks, in this order, stopping at the first that finds something:

1. HOG, as it is: faces of 80 px and more;
2. HOG, turned by 90, 270 and 180 degrees, with a higher bar. Before the others, for these see faces, wrongly,
   in pictures that lie on their side;
3. HOG, doubled: faces of 40 px and more;
4. MMOD, as it is and doubled: faces that are half turned away, half hidden or ill lit.

Thorough does what the reference engine does, and adds what MMOD finds elsewhere.

Threads: callers run side by side; onnxruntime sets Python's lock free.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.dlib_engine import DlibEngine
from veilmesh_ml.engine import Device, check_chips
from veilmesh_ml.face import Face
from veilmesh_ml.face_finder import (
    CONFIDENCE_FLOOR,
    CONFIDENCE_FLOOR_DOUBLED,
    DETECTOR,
    MAX_PIXELS_DOUBLED,
    SAME_FACE_OVERLAP,
    TURNS_DEGREES,
    surest_first,
    without_doubles,
)
from veilmesh_ml.fast.mmod import Detection
from veilmesh_ml.fast.networks import load_networks
from veilmesh_ml.fast.tiling import tiling
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import MMOD

CONFIDENCE_FLOOR_TURNED = 0.5  # at 0.25 HOG sees a face in a chin of LFW, turned
MAX_PIXELS_MMOD = 12_000_000  # tiled, such a picture takes 350 MB
BATCH = 32  # chips; more gain nothing and cost memory


class FastEngine(DlibEngine):
    """dlib's networks on onnxruntime or torch, behind the `Engine` protocol."""

    name = "fast"
    detector = f"{DETECTOR}+mmod-{MMOD.sha256[:8]}"

    def __init__(self, *, device: Device = "auto", threads: int | None = None) -> None:
        """Load the models; see `load_engine`."""
        super().__init__()
        self._networks = load_networks(device, threads)

    def detect(self, image: RgbImage, *, thorough: bool = False) -> list[Face]:
        """Find faces, surest first; see the module for how."""
        if not thorough:
            return surest_first(self._first_found(image))
        found = self._finder.detect(image, thorough=True)
        return surest_first(without_doubles([*found, *self._look_by_mmod(image, besides=found)]))

    def encode_chips(self, chips: NDArray[np.uint8]) -> Features:
        """Return float64 (n, 128), in the chips' order, computed in batches of `BATCH`."""
        check_chips(chips)
        features = np.empty((len(chips), 128))
        for start in range(0, len(chips), BATCH):
            features[start : start + BATCH] = self._networks.encode(chips[start : start + BATCH])
        return features

    def detect_mmod(self, image: RgbImage, floor: float = 0.0) -> list[Detection]:
        """Return what dlib's MMOD detector finds, surest first; slower than HOG, and less easily misled.

        Args:
            image: uint8 (height, width, 3) RGB.
            floor: confidences must be higher; dlib's own is 0.
        """
        height, width, _ = image.shape
        arrangement = tiling(height, width)
        scores = self._networks.score(image, arrangement)
        return self._networks.mmod.detections(scores, arrangement, floor)

    def _first_found(self, image: RgbImage) -> list[Face]:
        found = self._finder.look(image, CONFIDENCE_FLOOR)
        for degrees in TURNS_DEGREES:
            found = found or self._finder.look_turned(image, degrees, CONFIDENCE_FLOOR_TURNED)
        return (
            found
            or self._finder.look(image, CONFIDENCE_FLOOR_DOUBLED, doubled=True)
            or self._look_by_mmod(image)
            or self._look_by_mmod(image, doubled=True)
        )

    def _look_by_mmod(
        self, image: RgbImage, *, doubled: bool = False, besides: Sequence[Face] = ()
    ) -> list[Face]:
        """Return its faces but those known; it sees pictures of more than `MAX_PIXELS_MMOD` reduced."""
        height, width, _ = image.shape
        scale = 2.0 if doubled else 1.0
        if doubled and height * width > MAX_PIXELS_DOUBLED:
            return []
        while height * width * scale**2 > MAX_PIXELS_MMOD:
            scale /= 2
        picture = image
        if scale != 1:
            kind = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA
            resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=kind)
            picture = np.asarray(resized, dtype=np.uint8)
        new = [
            Detection(box, detection.confidence)
            for detection in self.detect_mmod(picture)
            for box in [detection.box.scaled(1 / scale)]
            if all(box.overlap(face.box) <= SAME_FACE_OVERLAP for face in besides)
        ]
        faint = [box.scaled(1 / scale) for box in self._finder.look_faintly(picture)] if new else []
        return [self._finder.face_near(image, found.box, found.confidence, faint) for found in new]
