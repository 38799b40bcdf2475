"""The bank of surrogate faces: what it holds, and the one file it is kept in.

Every donor is the average of at least `MIN_PEOPLE` distinct people, shape-normalised and coloured alike, so
it is nobody. A donor's texture is stored as JPEG; all numbers are plain arrays, and nothing in the file is
code (no pickles).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.array_file import encode_arrays, reading_arrays, require_format
from veilmesh_ml.errors import ModelError
from veilmesh_ml.image import RgbImage
from veilmesh_ml.surrogate.attributes import ATTRIBUTES, AttributeModel, require_attributes
from veilmesh_ml.surrogate.frame import Frame
from veilmesh_ml.surrogate.geometry import TEXTURE_PX
from veilmesh_ml.surrogate.shape import ShapeModel

FORMAT: Final = "veilmesh/bank/2"
MIN_PEOPLE: Final = 16
JPEG_QUALITY: Final = 88
_MODEL: Final = ("look_mean", "look", "apparent_bias", "apparent", "likeness_bias", "likeness")


@dataclass(frozen=True, slots=True, eq=False)
class Donor:
    """A face in the bank's frame: texture, uint8 (160, 160, 3), and aligned landmarks, float64 (68, 2)."""

    texture: NDArray[np.uint8] = field(repr=False)
    shape: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Bank:
    """Donors, and the models that choose and fit them.

    Attributes:
        frame: where faces lie in textures.
        textures: uint8 (k, 160, 160, 3), one per donor.
        shapes: mean landmarks of each donor's people, aligned to the frame, float64 (k, 68, 2).
        attributes: mean attributes of each donor's people, float64 (k, len(ATTRIBUTES)).
        likenesses: of each donor itself, float64 (k, LIKENESS_COMPONENTS), of length 1.
        people: how many distinct people each donor is the average of, int (k,).
        spread: standard deviation of every attribute over the faces it was built from.
        attribute_model, shape_model: see there.
        digest: SHA-256 (hex) of the file.
    """

    frame: Frame
    textures: NDArray[np.uint8] = field(repr=False)
    shapes: NDArray[np.float64] = field(repr=False)
    attributes: NDArray[np.float64] = field(repr=False)
    likenesses: NDArray[np.float64] = field(repr=False)
    people: NDArray[np.int64] = field(repr=False)
    spread: NDArray[np.float64] = field(repr=False)
    attribute_model: AttributeModel = field(repr=False)
    shape_model: ShapeModel = field(repr=False)
    digest: str = ""

    @property
    def donors(self) -> int:
        return len(self.textures)

    def donor(self, index: int) -> Donor:
        return Donor(self.textures[index], self.shapes[index])


def encode_bank(bank: Bank) -> bytes:
    """Return the bytes of the bank's file; equal banks give equal bytes."""
    jpegs = [_jpeg(texture) for texture in bank.textures]
    arrays = {
        "format": np.array([FORMAT]),
        "attribute_names": np.array(ATTRIBUTES),
        "mean_shape": bank.frame.mean_shape.astype(np.float32),
        "triangles": bank.frame.triangles.astype(np.uint8),
        "textures": np.frombuffer(b"".join(jpegs), dtype=np.uint8),
        "texture_bytes": np.array([len(jpeg) for jpeg in jpegs], dtype=np.uint32),
        "shapes": bank.shapes.astype(np.float32),
        "attributes": bank.attributes.astype(np.float32),
        "likenesses": bank.likenesses.astype(np.float16),
        "people": bank.people.astype(np.uint16),
        "spread": bank.spread.astype(np.float32),
        "look_mean": bank.attribute_model.look_mean.astype(np.float16),
        "look": bank.attribute_model.look.astype(np.float16),
        "apparent_bias": bank.attribute_model.apparent_bias.astype(np.float32),
        "apparent": bank.attribute_model.apparent.astype(np.float16),
        "likeness_bias": bank.attribute_model.likeness_bias.astype(np.float32),
        "likeness": bank.attribute_model.likeness.astype(np.float16),
        "shape_basis": bank.shape_model.basis.astype(np.float32),
        "shape_within": bank.shape_model.within.astype(np.float64),
        "shape_between": bank.shape_model.between.astype(np.float64),
    }
    return encode_arrays(arrays)


def decode_bank(content: bytes, name: str = "bank") -> Bank:
    """Read a bank.

    Raises:
        ModelError: not a bank, of another format, damaged, or with a donor of too few people.
    """
    with reading_arrays(content, f"{name} is not a bank of faces", "build it again") as arrays:
        return _bank(arrays, hashlib.sha256(content).hexdigest())


def read_bank(path: Path) -> Bank:
    """Read a bank's file.

    Raises:
        ModelError: it cannot be read, or is none.
    """
    try:
        content = path.read_bytes()
    except OSError as err:
        raise ModelError(f"cannot read bank {path}: {err.strerror}", hint="check the path") from err
    return decode_bank(content, str(path))


def _bank(arrays: Mapping[str, NDArray[np.generic]], digest: str) -> Bank:
    require_format(arrays, FORMAT)
    require_attributes(arrays)
    ends = np.cumsum(arrays["texture_bytes"].astype(np.int64))
    jpegs = np.split(arrays["textures"].astype(np.uint8), ends[:-1])
    people = arrays["people"].astype(np.int64)
    if not len(people) or people.min() < MIN_PEOPLE:
        raise ValueError(f"a donor is the average of fewer than {MIN_PEOPLE} people")
    return Bank(
        frame=Frame(arrays["mean_shape"].astype(np.float64), arrays["triangles"].astype(np.int64)),
        textures=np.stack([_texture(jpeg) for jpeg in jpegs]),
        shapes=arrays["shapes"].astype(np.float64),
        attributes=arrays["attributes"].astype(np.float64),
        likenesses=arrays["likenesses"].astype(np.float64),
        people=people,
        spread=arrays["spread"].astype(np.float64),
        attribute_model=AttributeModel(*(arrays[name].astype(np.float32) for name in _MODEL)),
        shape_model=ShapeModel(
            *(arrays[f"shape_{name}"].astype(np.float64) for name in ("basis", "within", "between"))
        ),
        digest=digest,
    )


def _jpeg(texture: RgbImage) -> bytes:
    """JPEG without chroma subsampling."""
    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(texture, cv2.COLOR_RGB2BGR), settings)
    return jpeg.tobytes()


def _texture(jpeg: NDArray[np.uint8]) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR) if len(jpeg) else None
    if decoded is None or decoded.shape != (TEXTURE_PX, TEXTURE_PX, 3):
        raise ValueError("a texture is damaged")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)
