"""What a face encoder wants and gives: the small TOML file that lies beside a plugged-in ONNX model.

    name = "arcface"                    # `arcface.toml` beside `arcface.onnx`

    [input]
    size_px = 112                       # side of the square chip
    colour = "rgb"                      # or "bgr"
    mean = [0.5, 0.5, 0.5]              # of a pixel / 255, in the order of `colour`
    std = [0.5, 0.5, 0.5]

    [alignment]
    kind = "points"                     # or "dlib": the engine's own chip, scaled, and nothing below
    fit = "least-median"                # or "least-squares"
    points = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]]

    [output]
    flip_average = true                 # the mean over the chip and its mirror image
    metric = "cosine"                   # or "euclidean"
    threshold_scale = 1.0               # features are multiplied by it

Points are x, y in the chip, of: the eye at the picture's left, the one at its right, the nose's tip, the
mouth's corner at the left, the one at the right.

Whatever the metric, features are compared by their Euclidean distance, for that is what the vault's rotation
preserves and the policy's threshold means. For "cosine" they are brought to length 1 first, and then
distance = sqrt(2 - 2 cosine), so the order is the same. `threshold_scale` lets a model whose distances have
another spread keep the threshold that the consortium agreed on; it is part of what is approved.

`model_digest` is the SHA-256 of the canonical JSON of description and model's SHA-256: features compare only
where both are equal, and a changed mean is another model.
"""

import json
import tomllib
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from veilmesh_ml.errors import ModelError

MAX_FILE_BYTES = 64 * 1024


class Colour(StrEnum):
    RGB = "rgb"
    BGR = "bgr"


class Fit(StrEnum):
    """How a similarity transform is laid through five points that it cannot meet exactly."""

    LEAST_MEDIAN = "least-median"  # of squares: one landmark may be wrong
    LEAST_SQUARES = "least-squares"


class Metric(StrEnum):
    EUCLIDEAN = "euclidean"
    COSINE = "cosine"


Finite = Annotated[float, Field(allow_inf_nan=False, ge=-10_000, le=10_000)]
Positive = Annotated[float, Field(allow_inf_nan=False, gt=0, le=10_000)]
Point: TypeAlias = tuple[Finite, Finite]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputDescription(_Part):
    size_px: Annotated[int, Field(ge=16, le=1024)]
    colour: Colour
    mean: tuple[Finite, Finite, Finite]
    std: tuple[Positive, Positive, Positive]


class PointsAlignment(_Part):
    kind: Literal["points"]
    fit: Fit
    points: tuple[Point, Point, Point, Point, Point]


class DlibAlignment(_Part):
    """The 150 x 150 chip that dlib's encoder takes, scaled to the input's size."""

    kind: Literal["dlib"]


class OutputDescription(_Part):
    flip_average: bool
    metric: Metric
    threshold_scale: Positive = 1.0


class EncoderDescription(_Part):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
    input: InputDescription
    alignment: Annotated[PointsAlignment | DlibAlignment, Field(discriminator="kind")]
    output: OutputDescription

    def canonical(self) -> str:
        """JSON with sorted keys; equal for equal descriptions, however their files were written."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def model_digest(self, model_sha256: str) -> str:
        """SHA-256 (hex) by which the consortium approves this model, used in this way."""
        document = {"description": self.canonical(), "model_sha256": model_sha256}
        return sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_description(model: Path) -> EncoderDescription:
    """Read the description of the encoder in `model`: the file of the same name that ends in .toml.

    Raises:
        ModelError: it is missing, no TOML, or a setting is missing, unknown or out of range.
    """
    path = model.with_suffix(".toml")
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as err:
        raise ModelError(
            f"cannot read {path}, the description of encoder {model.name}: {err.strerror}",
            hint="write it beside the model; docs/faces.md shows one",
        ) from err
    if len(text) > MAX_FILE_BYTES:
        raise ModelError(f"{path} is too large for a description of an encoder")
    try:
        return EncoderDescription.model_validate(tomllib.loads(text.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ModelError(f"{path} is not TOML: {err}") from err
    except ValidationError as err:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in err.errors(include_input=False, include_url=False)
        )
        raise ModelError(f"{path}: {wrong}", hint="docs/faces.md shows a description") from err
