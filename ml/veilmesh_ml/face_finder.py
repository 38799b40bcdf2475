"""Find faces, their landmarks and their chips: what the engines share, all of it dlib's.

How the reference engine's `detect` looks, in this order, stopping at the first that finds something unless it
is thorough:

1. as it is: faces of 80 px and more;
2. doubled: faces of 40 px and more, with a higher bar, for doubling also invents faces;
3. turned by 90, 270 and 180 degrees: photos whose EXIF was lost.

Thorough does 1 and 2 with a lower bar, adds views tilted by 30 degrees either way, and joins what they find.

Threads: the detector keeps scratch space, so each thread gets its own; they look in parallel, for dlib sets
Python's lock free meanwhile.
"""

import copy
import threading
from collections.abc import Iterable, Sequence
from functools import cache

import dlib
import numpy as np

from veilmesh_ml.engine import CHIP_PX
from veilmesh_ml.errors import RegionError
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage
from veilmesh_ml.model_files import LANDMARKS_68, locate
from veilmesh_ml.turning import moved_back, turned

DETECTOR = f"dlib-hog-{dlib.__version__}"  # for receipts

# Doubling finds all 43 faces of dlib's example photos (11 without) and one face too many, at 0.12, in
# scikit-image's astronaut; see docs/faces.md for the figures on LFW.
CONFIDENCE_FLOOR = 0.0
CONFIDENCE_FLOOR_DOUBLED = 0.2
CONFIDENCE_FLOOR_THOROUGH = -0.1
MAX_PIXELS_DOUBLED = 4_000_000  # past this a face of 40 px is of no use, and doubling costs seconds
TILTS_DEGREES = (-30.0, 30.0)
TURNS_DEGREES = (90.0, 270.0, 180.0)
SAME_FACE_OVERLAP = 0.3
# For places where another detector is sure of a face. HOG is five detectors: for faces from the front, turned
# to either side, tilted to either side. That for the front sees some sign of a face in any, rightly or not.
CONFIDENCE_FLOOR_FAINT = -1.0
CONFIDENCE_FLOOR_FAINT_FRONT = -0.5
FRONT = 0
CHIP_PADDING = 0.25  # dlib's default, with which the encoder was trained
# HOG's box about the landmarks within the jaw line: where its centre lies from theirs and how long its side
# is, in root mean square distances of theirs from it; medians over 13,185 photos of LFW.
INNER_LANDMARKS = slice(17, 68)
HOG_BOX_SHIFT = np.array([0.11, 0.14])
HOG_BOX_SIDE = 3.52


class FaceFinder:
    """HOG frontal detector, 68 landmarks (ERT) and chips."""

    def __init__(self) -> None:
        """Load and check the landmark model.

        Raises:
            ModelError: it is missing or is not the pinned one.
        """
        self._landmarks = dlib.shape_predictor(str(locate(LANDMARKS_68)))
        self._own = threading.local()

    def detect(self, image: RgbImage, *, thorough: bool = False) -> list[Face]:
        """Find faces, surest first; see the module for how."""
        return self._detect_thoroughly(image) if thorough else self._detect_plainly(image)

    def look(self, image: RgbImage, floor: float, *, doubled: bool = False) -> list[Face]:
        """Return the upright faces whose confidence is above `floor`, in the detector's order.

        Args:
            image: uint8 (height, width, 3) RGB.
            floor: dlib's own is 0.
            doubled: look at the picture doubled; none is found in one of more than `MAX_PIXELS_DOUBLED`.
        """
        height, width, _ = image.shape
        if doubled and height * width > MAX_PIXELS_DOUBLED:
            return []
        rectangles, scores, _ = self._detector().run(image, int(doubled), floor)
        return [
            self._face(image, rectangle, float(score))
            for rectangle, score in zip(rectangles, scores, strict=True)
        ]

    def look_turned(self, image: RgbImage, degrees: float, floor: float) -> list[Face]:
        """Return the faces that stand upright once the picture is turned anticlockwise."""
        picture, back = turned(image, degrees)
        return [moved_back(face, back) for face in self.look(picture, floor)]

    def face_in(self, image: RgbImage, box: Box) -> Face:
        """Return the face that somebody marked, with the landmarks found in there; its confidence is 0.

        Raises:
            RegionError: the box is empty, or reaches out of the picture.
        """
        height, width, _ = image.shape
        if not (0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height):
            raise RegionError(f"the marked face is not within the picture's {width} x {height} pixels")
        return self._face(image, _rectangle(box), 0.0)

    def look_faintly(self, image: RgbImage) -> list[Box]:
        """Return where HOG sees the least sign of a face, surest first: boxes for `face_near`, no faces."""
        seen = zip(*self._detector().run(image, 0, CONFIDENCE_FLOOR_FAINT), strict=True)
        return [
            _box(rectangle)
            for rectangle, score, view in seen
            if view != FRONT or score > CONFIDENCE_FLOOR_FAINT_FRONT
        ]

    def face_near(self, image: RgbImage, box: Box, confidence: float, faint: Sequence[Box]) -> Face:
        """Return the face that another detector put this box about.

        The landmark model was trained on HOG's boxes. So the points are looked for in the surest of HOG's
        `faint` boxes that lies there. Where none does, the points found in the other's box are used to place
        HOG's, and found once more in that. docs/faces.md has what both gain.
        """
        near = (each for each in faint if each.overlap(box) >= SAME_FACE_OVERLAP)
        return self._face(image, _rectangle(next(near, None) or self._hog_box(image, box)), confidence)

    def align(self, image: RgbImage, face: Face) -> RgbImage:
        """Cut the face out, turned upright: uint8 (150, 150, 3) RGB, black outside the picture."""
        points = [dlib.point(int(x), int(y)) for x, y in face.landmarks]
        shape = dlib.full_object_detection(_rectangle(face.box), points)
        chip: RgbImage = dlib.get_face_chip(image, shape, CHIP_PX, CHIP_PADDING)
        return chip

    def _detect_plainly(self, image: RgbImage) -> list[Face]:
        found = self.look(image, CONFIDENCE_FLOOR)
        if not found:
            found = self.look(image, CONFIDENCE_FLOOR_DOUBLED, doubled=True)
        for degrees in TURNS_DEGREES:
            found = found or self.look_turned(image, degrees, CONFIDENCE_FLOOR)
        return surest_first(found)

    def _detect_thoroughly(self, image: RgbImage) -> list[Face]:
        found = self.look(image, CONFIDENCE_FLOOR_THOROUGH)
        found += self.look(image, CONFIDENCE_FLOOR_THOROUGH, doubled=True)
        for degrees in TILTS_DEGREES:
            found += self.look_turned(image, degrees, CONFIDENCE_FLOOR)
        for degrees in TURNS_DEGREES:
            found = found or self.look_turned(image, degrees, CONFIDENCE_FLOOR_THOROUGH)
        return without_doubles(surest_first(found))

    def _hog_box(self, image: RgbImage, box: Box) -> Box:
        """Return the box that HOG would put about the face in the other's, going by its landmarks there."""
        points = self._face(image, _rectangle(box), 0.0).landmarks[INNER_LANDMARKS]
        centre = points.mean(axis=0)
        spread = np.sqrt(((points - centre) ** 2).sum(axis=1).mean())
        middle, side = centre + HOG_BOX_SHIFT * spread, HOG_BOX_SIDE * spread
        left, top = (round(edge) for edge in middle - side / 2)
        return Box(left, top, left + round(side), top + round(side))

    def _face(self, image: RgbImage, rectangle: "dlib.rectangle", confidence: float) -> Face:
        shape = self._landmarks(image, rectangle)
        points = np.array([(point.x, point.y) for point in shape.parts()], dtype=np.int64)
        return Face(_box(rectangle), points, confidence)

    def _detector(self) -> "dlib.fhog_object_detector":
        """This thread's own."""
        if not hasattr(self._own, "detector"):
            self._own.detector = copy.deepcopy(_unpacked_detector())
        return self._own.detector


@cache
def _unpacked_detector() -> "dlib.fhog_object_detector":
    """The one that the threads' own are copied from: dlib takes half a second, a copy a millisecond."""
    return dlib.get_frontal_face_detector()


def _box(rectangle: "dlib.rectangle") -> Box:
    return Box(rectangle.left(), rectangle.top(), rectangle.right() + 1, rectangle.bottom() + 1)


def _rectangle(box: Box) -> "dlib.rectangle":
    return dlib.rectangle(box.left, box.top, box.right - 1, box.bottom - 1)


def surest_first(faces: Iterable[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: -face.confidence)


def without_doubles(faces: list[Face]) -> list[Face]:
    """Keep the surest of faces that overlap."""
    kept: list[Face] = []
    for face in faces:
        if all(face.box.overlap(other.box) <= SAME_FACE_OVERLAP for other in kept):
            kept.append(face)
    return kept
