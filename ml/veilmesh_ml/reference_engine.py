"""The reference engine: dlib as it comes, every other engine's yardstick.

HOG frontal detector -> 68 landmarks (ERT) -> 150 x 150 chip -> ResNet encoder, 128 features. The
encoder's forward pass takes about nine tenths of the time (95 ms a face on one core: dlib-bin has no
BLAS).

How `detect` looks, in this order, stopping at the first that finds something unless it is thorough:

1. as it is: faces of 80 px and more;
2. doubled: faces of 40 px and more, with a higher bar, for doubling also invents faces;
3. turned by 90, 270 and 180 degrees: photos whose EXIF was lost.

Thorough does 1 and 2 with a lower bar, adds views tilted by 30 degrees either way, and joins what they find.

Threads: dlib's objects keep scratch space, so one lock lets callers take turns. Use processes for
parallel work.
"""

import math
import threading
from collections.abc import Iterable

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import CHIP_PX, check_chips
from veilmesh_ml.errors import RegionError
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import ENCODER, LANDMARKS_68, locate

# Doubling finds all 43 faces of dlib's example photos (11 without) and one face too many, at 0.12, in
# scikit-image's astronaut; see docs/faces.md for the figures on LFW.
CONFIDENCE_FLOOR = 0.0
CONFIDENCE_FLOOR_DOUBLED = 0.2
CONFIDENCE_FLOOR_THOROUGH = -0.1
MAX_PIXELS_DOUBLED = 4_000_000  # past this a face of 40 px is of no use, and doubling costs seconds
TILTS_DEGREES = (-30.0, 30.0)
TURNS_DEGREES = (90.0, 270.0, 180.0)
SAME_FACE_OVERLAP = 0.3
CHIP_PADDING = 0.25  # dlib's default, with which the encoder was trained


class ReferenceEngine:
    """dlib behind the `Engine` protocol."""

    name = "reference"
    model_digest = ENCODER.sha256
    landmarks_digest = LANDMARKS_68.sha256
    detector = f"dlib-hog-{dlib.__version__}"

    def __init__(self) -> None:
        """Load and check the models; about a second.

        Raises:
            ModelError: a model file is missing or is not the pinned one.
        """
        self._detector = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(locate(LANDMARKS_68)))
        self._encoder = dlib.face_recognition_model_v1(str(locate(ENCODER)))
        self._turn = threading.Lock()

    def detect(self, image: RgbImage, *, thorough: bool = False) -> list[Face]:
        """Find faces, surest first; see the module for how."""
        with self._turn:
            return self._detect_thoroughly(image) if thorough else self._detect_plainly(image)

    def face_in(self, image: RgbImage, box: Box) -> Face:
        """Return the face that somebody marked, with the landmarks found in there; its confidence is 0.

        Raises:
            RegionError: the box is empty, or reaches out of the picture.
        """
        height, width, _ = image.shape
        if not (0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height):
            raise RegionError(f"the marked face is not within the picture's {width} x {height} pixels")
        rectangle = dlib.rectangle(box.left, box.top, box.right - 1, box.bottom - 1)
        with self._turn:
            return Face(box, _points(self._landmarks(image, rectangle)), 0.0)

    def align(self, image: RgbImage, face: Face) -> RgbImage:
        """Cut the face out, turned upright: uint8 (150, 150, 3) RGB, black outside the picture."""
        with self._turn:
            return self._chip(image, face)

    def encode(self, image: RgbImage, faces: list[Face]) -> Features:
        """Return float64 (n, 128), in the faces' order."""
        features = np.empty((len(faces), 128))
        with self._turn:
            for index, face in enumerate(faces):
                features[index] = self._encoder.compute_face_descriptor(self._chip(image, face))
        return features

    def encode_chips(self, chips: NDArray[np.uint8]) -> Features:
        """Return float64 (n, 128), in the chips' order; the lock is free between two chips."""
        check_chips(chips)
        features = np.empty((len(chips), 128))
        for index, chip in enumerate(np.ascontiguousarray(chips)):
            with self._turn:
                features[index] = self._encoder.compute_face_descriptor(chip)
        return features

    def _detect_plainly(self, image: RgbImage) -> list[Face]:
        found = self._look(image, doubled=False, floor=CONFIDENCE_FLOOR)
        if not found:
            found = self._look(image, doubled=True, floor=CONFIDENCE_FLOOR_DOUBLED)
        for degrees in TURNS_DEGREES:
            found = found or self._look_turned(image, degrees, CONFIDENCE_FLOOR)
        return _surest_first(found)

    def _detect_thoroughly(self, image: RgbImage) -> list[Face]:
        found = self._look(image, doubled=False, floor=CONFIDENCE_FLOOR_THOROUGH)
        found += self._look(image, doubled=True, floor=CONFIDENCE_FLOOR_THOROUGH)
        for degrees in TILTS_DEGREES:
            found += self._look_turned(image, degrees, CONFIDENCE_FLOOR)
        for degrees in TURNS_DEGREES:
            found = found or self._look_turned(image, degrees, CONFIDENCE_FLOOR_THOROUGH)
        return _without_doubles(_surest_first(found))

    def _look(self, image: RgbImage, *, doubled: bool, floor: float) -> list[Face]:
        height, width, _ = image.shape
        if doubled and height * width > MAX_PIXELS_DOUBLED:
            return []
        rectangles, scores, _ = self._detector.run(image, int(doubled), floor)
        return [
            Face(_box(rectangle), _points(self._landmarks(image, rectangle)), float(score))
            for rectangle, score in zip(rectangles, scores, strict=True)
        ]

    def _look_turned(self, image: RgbImage, degrees: float, floor: float) -> list[Face]:
        height, width, _ = image.shape
        turn = _turn_about_centre(height, width, degrees)
        size = _turned_size(height, width, degrees)
        turned = cv2.warpAffine(image, turn, size, flags=cv2.INTER_LINEAR)
        back = np.asarray(cv2.invertAffineTransform(turn), dtype=np.float64)
        found = self._look(np.asarray(turned, dtype=np.uint8), doubled=False, floor=floor)
        return [_moved_back(face, back) for face in found]

    def _chip(self, image: RgbImage, face: Face) -> RgbImage:
        points = [dlib.point(int(x), int(y)) for x, y in face.landmarks]
        box = face.box
        rectangle = dlib.rectangle(box.left, box.top, box.right - 1, box.bottom - 1)
        shape = dlib.full_object_detection(rectangle, points)
        chip: RgbImage = dlib.get_face_chip(image, shape, CHIP_PX, CHIP_PADDING)
        return chip


def _box(rectangle: "dlib.rectangle") -> Box:
    return Box(rectangle.left(), rectangle.top(), rectangle.right() + 1, rectangle.bottom() + 1)


def _points(shape: "dlib.full_object_detection") -> NDArray[np.int64]:
    return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.int64)


def _turned_size(height: int, width: int, degrees: float) -> tuple[int, int]:
    """Width and height of the picture that holds the turned one wholly."""
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    return round(width * cosine + height * sine), round(width * sine + height * cosine)


def _turn_about_centre(height: int, width: int, degrees: float) -> NDArray[np.float64]:
    """Affine map (2, 3) from the picture to the turned one."""
    centre = ((width - 1) / 2, (height - 1) / 2)
    turn = np.asarray(cv2.getRotationMatrix2D(centre, degrees, 1.0), dtype=np.float64)
    turned_width, turned_height = _turned_size(height, width, degrees)
    turn[:, 2] += np.array([(turned_width - width) / 2, (turned_height - height) / 2])
    return turn


def _moved_back(face: Face, back: NDArray[np.float64]) -> Face:
    """A face found in a turned picture, in the upright one; the box keeps its size about its moved centre."""
    points = np.rint(face.landmarks @ back[:, :2].T + back[:, 2]).astype(np.int64)
    box = face.box
    centre = back[:, :2] @ np.array([(box.left + box.right) / 2, (box.top + box.bottom) / 2]) + back[:, 2]
    left, top = round(centre[0] - box.width / 2), round(centre[1] - box.height / 2)
    return Face(Box(left, top, left + box.width, top + box.height), points, face.confidence)


def _surest_first(faces: Iterable[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: -face.confidence)


def _without_doubles(faces: list[Face]) -> list[Face]:
    """Keep the surest of faces that overlap."""
    kept: list[Face] = []
    for face in faces:
        if all(face.box.overlap(other.box) <= SAME_FACE_OVERLAP for other in kept):
            kept.append(face)
    return kept
