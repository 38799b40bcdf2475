"""The one file that a training reads: faces, surrogates to give them, and expressions.

`veilmesh train prepare` writes it; see `prepare` for how. It is a plain .npz of arrays, nothing in it is
code, and pictures are WebP inside. Reading it needs numpy and Pillow alone:

    packed = read_packed(Path("faces.npz"))
    faces = packed.require_faces()
    pixels = decode(faces.pictures)                   # uint8 (n, 128, 128, 3)
    train = np.flatnonzero(~faces.held_out)

The file holds photos of people: keep it as the photos are kept, and delete it with them.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmesh_ml.array_file import encode_arrays, reading_arrays
from veilmesh_ml.errors import ModelError
from veilmesh_ml.expressions import EXPRESSIONS
from veilmesh_ml.surrogate.shape import ShapeModel

FORMAT: Final = "veilmesh/packed/1"
DONORS: Final = 8  # kept for every face
PEERS: Final = 12
NOBODY: Final = -1
_LANDMARK_STEP: Final = 16  # steps to a pixel
_FACES: Final = ("landmarks", "people", "held_out", "labels", "features", "donors", "peers")


@dataclass(frozen=True, slots=True, eq=False)
class PackedFaces:
    """n faces on the canvas (see `inpainting.canvas`).

    Attributes:
        pictures: WebP files, each uint8 (128, 128, 3) once decoded.
        landmarks: on the canvas, float32 (n, 68, 2).
        people: a number per person, int32 (n,); a photo of which nobody said who it is counts as another
            person.
        held_out: bool (n,), of people who only judge a training, never teach it.
        labels: age, woman and group, int16 (n, 3), -1 where nobody said.
        features: of dlib's encoder, float32 (n, 128).
        donors: surrogates that suit the face and are not like it, uint16 (n, DONORS), of `PackedSurrogates`.
        peers: faces of others who look to be of the same age, gender, group and light, int32 (n, PEERS);
            those of people held out have peers among people not held out.
    """

    pictures: Sequence[bytes] = field(repr=False)
    landmarks: NDArray[np.float32] = field(repr=False)
    people: NDArray[np.int32] = field(repr=False)
    held_out: NDArray[np.bool_] = field(repr=False)
    labels: NDArray[np.int16] = field(repr=False)
    features: NDArray[np.float32] = field(repr=False)
    donors: NDArray[np.uint16] = field(repr=False)
    peers: NDArray[np.int32] = field(repr=False)

    def __len__(self) -> int:
        return len(self.landmarks)


@dataclass(frozen=True, slots=True, eq=False)
class PackedSurrogates:
    """What the bank knows of its k donors, as far as a training needs it.

    Attributes:
        textures: WebP files, each uint8 (160, 160, 3) in the bank's frame.
        shapes: landmarks in that frame, float64 (k, 68, 2).
        mean_shape: where the 77 points lie in that frame, float64 (77, 2).
        shape_model: what of a person's landmarks is kept.
    """

    textures: Sequence[bytes] = field(repr=False)
    shapes: NDArray[np.float64] = field(repr=False)
    mean_shape: NDArray[np.float64] = field(repr=False)
    shape_model: ShapeModel = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class PackedExpressions:
    """FER2013: WebP files of grey faces, uint8 (48, 48); their class, uint8, of `EXPRESSIONS`."""

    pictures: Sequence[bytes] = field(repr=False)
    labels: NDArray[np.uint8] = field(repr=False)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """What one file holds; a part is None where it was not prepared.

    Attributes:
        description: what went in: counts, the digest of the photos, the quality of the pictures.
        digest: SHA-256 (hex) of the file; empty before it is written.
    """

    description: Mapping[str, Any]
    faces: PackedFaces | None = None
    surrogates: PackedSurrogates | None = None
    expressions: PackedExpressions | None = None
    digest: str = ""

    def require_faces(self) -> tuple[PackedFaces, PackedSurrogates]:
        """Return the faces and the surrogates for them.

        Raises:
            ModelError: there are none.
        """
        if self.faces is None or self.surrogates is None:
            raise ModelError("the packed file holds no faces", hint="prepare it from photos of people")
        return self.faces, self.surrogates

    def require_expressions(self) -> PackedExpressions:
        """Return the expressions.

        Raises:
            ModelError: there are none.
        """
        if self.expressions is None:
            raise ModelError(
                "the packed file holds no expressions",
                hint=f"prepare it with a folder of folders named {', '.join(EXPRESSIONS)}",
            )
        return self.expressions


def decode(pictures: Sequence[bytes]) -> NDArray[np.uint8]:
    """Return the pictures' pixels, (n, height, width, 3), or (n, height, width) where they are grey."""
    first = _pixels(pictures[0])
    decoded = np.empty((len(pictures), *first.shape), dtype=np.uint8)
    for index, content in enumerate(pictures):
        decoded[index] = _pixels(content)
    return decoded


def grey(pictures: Sequence[bytes]) -> NDArray[np.uint8]:
    """Return the pixels of grey pictures, (n, height, width): WebP knows colour alone."""
    return np.ascontiguousarray(decode(pictures)[..., 1])


def compress(picture: NDArray[np.uint8], quality: int) -> bytes:
    """Return a WebP file."""
    target = io.BytesIO()
    Image.fromarray(picture).convert("RGB").save(target, format="WEBP", quality=quality, method=4)
    return target.getvalue()


def encode_packed(packed: Packed) -> bytes:
    """Return the file's bytes; equal content gives equal bytes."""
    arrays: dict[str, NDArray[Any]] = {
        "description": np.array([json.dumps({"format": FORMAT, **packed.description}, sort_keys=True)])
    }
    if packed.faces is not None:
        faces = packed.faces
        arrays |= _listed("faces.pictures", faces.pictures)
        steps = np.rint(faces.landmarks * _LANDMARK_STEP)
        arrays["faces.landmarks"] = np.clip(steps, -32768, 32767).astype(np.int16)
        arrays["faces.features"] = faces.features.astype(np.float16)
        arrays |= {
            f"faces.{name}": getattr(faces, name) for name in _FACES if name not in ("landmarks", "features")
        }
    if packed.surrogates is not None:
        surrogates = packed.surrogates
        arrays |= _listed("surrogates.textures", surrogates.textures)
        arrays["surrogates.shapes"] = surrogates.shapes.astype(np.float32)
        arrays["surrogates.mean_shape"] = surrogates.mean_shape
        arrays["surrogates.basis"] = surrogates.shape_model.basis.astype(np.float32)
        arrays["surrogates.within"] = surrogates.shape_model.within
        arrays["surrogates.between"] = surrogates.shape_model.between
    if packed.expressions is not None:
        arrays |= _listed("expressions.pictures", packed.expressions.pictures)
        arrays["expressions.labels"] = packed.expressions.labels
    return encode_arrays(
        arrays, stored=[name for name in arrays if name.endswith((".pictures", ".textures"))]
    )


def read_packed(path: Path) -> Packed:
    """Read a packed file.

    Raises:
        ModelError: it cannot be read, is none, or is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as err:
        raise ModelError(f"cannot read {path}: {err.strerror}", hint="check the path") from err
    wrong = f"{path} is not a packed file of faces, or is damaged"
    with reading_arrays(content, wrong, "make it with: veilmesh train prepare") as arrays:
        return _packed(arrays, hashlib.sha256(content).hexdigest())


def _packed(arrays: Mapping[str, NDArray[Any]], digest: str) -> Packed:
    description = json.loads(str(arrays["description"][0]))
    if description.pop("format") != FORMAT:
        raise ValueError("of another format")
    faces = surrogates = expressions = None
    if "faces.landmarks" in arrays:
        kept = {name: arrays[f"faces.{name}"] for name in _FACES}
        kept["landmarks"] = kept["landmarks"].astype(np.float32) / np.float32(_LANDMARK_STEP)
        kept["features"] = kept["features"].astype(np.float32)
        faces = PackedFaces(_unlisted("faces.pictures", arrays), **kept)
    if "surrogates.shapes" in arrays:
        model = ShapeModel(
            arrays["surrogates.basis"].astype(np.float64),
            arrays["surrogates.within"],
            arrays["surrogates.between"],
        )
        surrogates = PackedSurrogates(
            _unlisted("surrogates.textures", arrays),
            arrays["surrogates.shapes"].astype(np.float64),
            arrays["surrogates.mean_shape"],
            model,
        )
    if "expressions.labels" in arrays:
        expressions = PackedExpressions(
            _unlisted("expressions.pictures", arrays), arrays["expressions.labels"]
        )
    return Packed(description, faces, surrogates, expressions, digest)


def _listed(name: str, files: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    return {
        name: np.frombuffer(b"".join(files), dtype=np.uint8),
        f"{name}.bytes": np.array([len(file) for file in files], dtype=np.uint32),
    }


def _unlisted(name: str, arrays: Mapping[str, NDArray[Any]]) -> list[bytes]:
    ends = np.cumsum(arrays[f"{name}.bytes"].astype(np.int64))
    together = arrays[name].tobytes()
    if len(ends) and ends[-1] != len(together):
        raise ValueError("pictures are missing")
    return [together[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _pixels(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content), formats=("WEBP",)).convert("RGB"))
