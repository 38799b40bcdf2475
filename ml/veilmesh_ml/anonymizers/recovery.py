"""What the owner keeps beside the key to undo a permutation.

The landmarks cannot be found again on a permuted face, so the record holds the regions themselves, as packed
bits: it does not depend on how a later version would draw them. It holds no pixel and no key, only how to
tell the right key and the right picture.
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
class Step:
    """One region that was permuted; its 16-byte nonce makes its permutations differ from all others."""

    nonce: bytes
    region: Region = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Recovery:
    """What was permuted, in order, and two digests.

    Attributes:
        steps: one per face; undone from the last to the first.
        image_digest: SHA-256 of the permuted picture's shape and pixels.
        key_check: HMAC-SHA-256 of that, which only the right key reproduces.
    """

    steps: tuple[Step, ...]
    image_digest: bytes
    key_check: bytes = field(repr=False)

    def after(self, earlier: "Recovery") -> "Recovery":
        """Undoes this and then, on the same picture, what was done before it with the same key."""
        return Recovery(earlier.steps + self.steps, self.image_digest, self.key_check)

    def to_json(self) -> str:
        return json.dumps(
            {
                "format": FORMAT,
                "image_digest": self.image_digest.hex(),
                "key_check": self.key_check.hex(),
                "steps": [_step_document(step) for step in self.steps],
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
                tuple(_step(entry) for entry in document["steps"]),
                bytes.fromhex(document["image_digest"]),
                bytes.fromhex(document["key_check"]),
            )
        except (ValueError, KeyError, TypeError, zlib.error) as err:
            raise RecoveryError(f"not a recovery record: {err}") from err


def key_check(key: bytes, digest: bytes) -> bytes:
    """Return what tells the right key from another, for the picture of this digest."""
    return hmac.digest(derive(key, "permute", "key check"), digest, "sha256")


def image_digest(image: RgbImage) -> bytes:
    """SHA-256 of shape and pixels: the picture itself, whatever file carries it."""
    shape = ",".join(str(length) for length in image.shape)
    return hashlib.sha256(shape.encode() + b";" + image.tobytes()).digest()


def _step_document(step: Step) -> dict[str, Any]:
    window = step.region.window
    bits = zlib.compress(np.packbits(step.region.mask).tobytes(), 9)
    return {
        "nonce": step.nonce.hex(),
        "window": [window.left, window.top, window.right, window.bottom],
        "mask": base64.b64encode(bits).decode(),
    }


def _step(document: dict[str, Any]) -> Step:
    left, top, right, bottom = (int(edge) for edge in document["window"])
    if not (0 <= left < right and 0 <= top < bottom and (right - left) * (bottom - top) <= MAX_PIXELS):
        raise ValueError("a window that no picture has")
    count = (right - left) * (bottom - top)
    inflate = zlib.decompressobj()
    bits = inflate.decompress(base64.b64decode(document["mask"], validate=True), (count + 7) // 8)
    if len(bits) != (count + 7) // 8:
        raise ValueError("a mask that does not fit its window")
    mask = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=count).astype(np.bool_)
    region = Region(Box(left, top, right, bottom), mask.reshape(bottom - top, right - left))
    return Step(bytes.fromhex(document["nonce"]), region)
