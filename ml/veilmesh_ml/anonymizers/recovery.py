"""What the owner keeps beside the key to undo a permutation.

The landmarks cannot be found again on a permuted face, so the record holds the regions themselves, as
packed bits: it does not depend on how a later version would draw them. It holds no pixel and no key, only
how to tell the right key and the right picture.
"""

import base64
import hashlib
import hmac
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from veilmesh_ml.errors import RecoveryError
from veilmesh_ml.face import Box
from veilmesh_ml.image import MAX_PIXELS, RgbImage
from veilmesh_ml.keystream import derive
from veilmesh_ml.regions import Region

FORMAT = "veilmesh/recovery/1"


@dataclass(frozen=True, slots=True, eq=False)
class Recovery:
    """Regions in the order they were permuted, and two digests.

    Attributes:
        nonce: 16 bytes that made this picture's permutations differ from every other's.
        key_check: HMAC-SHA-256 that only the right key reproduces.
        image_digest: SHA-256 of the permuted picture's shape and pixels.
        regions: one per face.
    """

    nonce: bytes
    key_check: bytes = field(repr=False)
    image_digest: bytes
    regions: tuple[Region, ...] = field(repr=False)

    def to_json(self) -> str:
        return json.dumps(
            {
                "format": FORMAT,
                "nonce": self.nonce.hex(),
                "key_check": self.key_check.hex(),
                "image_digest": self.image_digest.hex(),
                "regions": [_region_document(region) for region in self.regions],
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> "Recovery":
        """Read what `to_json` wrote.

        Raises:
            RecoveryError: it is something else.
        """
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise RecoveryError(f"recovery record of unknown format {document['format']!r}")
            return cls(
                bytes.fromhex(document["nonce"]),
                bytes.fromhex(document["key_check"]),
                bytes.fromhex(document["image_digest"]),
                tuple(_region(entry) for entry in document["regions"]),
            )
        except (ValueError, KeyError, TypeError, zlib.error) as err:
            raise RecoveryError(f"not a recovery record: {err}") from err


def key_check(key: bytes, nonce: bytes) -> bytes:
    return hmac.digest(derive(key, "permute", "key check", salt=nonce), nonce, "sha256")


def image_digest(image: RgbImage) -> bytes:
    """SHA-256 of shape and pixels: the picture itself, whatever file carries it."""
    shape = ",".join(str(length) for length in image.shape)
    return hashlib.sha256(shape.encode() + b";" + image.tobytes()).digest()


def _region_document(region: Region) -> dict[str, Any]:
    window = region.window
    bits = zlib.compress(np.packbits(region.mask).tobytes(), 9)
    return {
        "window": [window.left, window.top, window.right, window.bottom],
        "mask": base64.b64encode(bits).decode(),
    }


def _region(document: dict[str, Any]) -> Region:
    window = Box(*(int(edge) for edge in document["window"]))
    if not (0 <= window.left < window.right and 0 <= window.top < window.bottom):
        raise ValueError("an empty window")
    count = window.width * window.height
    if count > MAX_PIXELS:
        raise ValueError("a window larger than any picture")
    inflate = zlib.decompressobj()
    bits = inflate.decompress(base64.b64decode(document["mask"], validate=True), (count + 7) // 8)
    if len(bits) != (count + 7) // 8 or not inflate.eof:
        raise ValueError("a mask that does not fit its window")
    mask = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=count).astype(np.bool_)
    return Region(window, mask.reshape(window.height, window.width))
