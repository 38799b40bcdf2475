"""Look at a picture from another angle, and bring back what was found there."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage

BackMap = NDArray[np.float64]  # affine (2, 3), from the turned picture to the upright one


def turned(image: RgbImage, degrees: float) -> tuple[RgbImage, BackMap]:
    """Return the picture turned anticlockwise, black beyond its edges, and the map back."""
    height, width, _ = image.shape
    turn = _turn_about_centre(height, width, degrees)
    picture = cv2.warpAffine(image, turn, _turned_size(height, width, degrees), flags=cv2.INTER_LINEAR)
    back = np.asarray(cv2.invertAffineTransform(turn), dtype=np.float64)
    return np.asarray(picture, dtype=np.uint8), back


def moved_back(face: Face, back: BackMap) -> Face:
    """A face found in a turned picture, in the upright one; the box keeps its size about its moved centre."""
    points = np.rint(face.landmarks @ back[:, :2].T + back[:, 2]).astype(np.int64)
    box = face.box
    centre = back[:, :2] @ np.array([(box.left + box.right) / 2, (box.top + box.bottom) / 2]) + back[:, 2]
    left, top = round(centre[0] - box.width / 2), round(centre[1] - box.height / 2)
    return Face(Box(left, top, left + box.width, top + box.height), points, face.confidence)


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
