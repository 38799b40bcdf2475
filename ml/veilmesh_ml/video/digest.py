"""The digest of a frame as it is shown. Needs no video library: a frame's picture is checked without one."""

import hashlib

from veilmesh_ml.image import RgbImage


def picture_sha256(picture: RgbImage) -> str:
    """Return the digest of a picture's samples, hex: rows from the top, pixels from the left, R, G, B."""
    return hashlib.sha256(picture.tobytes()).hexdigest()
