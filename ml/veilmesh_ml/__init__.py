"""Faces: detect, align, encode, anonymize, and the gate that tries to break every anonymized picture.

    engine = load_engine()
    image = read_image("photo.jpg")                   # uint8 (height, width, 3) RGB, upright
    faces = engine.detect(image)                      # list[Face]: box, landmarks (68, 2), confidence
    features = engine.encode(image, faces)            # float64 (n, 128)
    result = load_anonymizer("permute", n=6000, key=key).anonymize(image, faces)

Knows no ledger, no network and no node. dlib and OpenCV load when an engine or an anonymizer is asked
for, not before.
"""

from veilmesh_ml.anonymizers import load_anonymizer
from veilmesh_ml.comparison import Decision, decide, dissimilarity
from veilmesh_ml.engine import Engine, load_engine
from veilmesh_ml.errors import MlError
from veilmesh_ml.face import Box, Face
from veilmesh_ml.image import RgbImage, encode_image, read_image, write_image

__all__ = [
    "Box",
    "Decision",
    "Engine",
    "Face",
    "MlError",
    "RgbImage",
    "decide",
    "dissimilarity",
    "encode_image",
    "load_anonymizer",
    "load_engine",
    "read_image",
    "write_image",
]
