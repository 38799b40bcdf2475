"""What may be published: a picture that the release gate let out, and nothing else.

A content store takes a `Surrogate`, and a `Surrogate` is made from a `Release` alone, which only the gate's
procedure `veilmesh_ml.release.release` returns. Its image is that release's pixels, encoded here: there is no
way to pair a passed verdict with other bytes. So a photo, a probe or a file cannot get into a store by a
mistake anywhere in the node: the type checker refuses it, and so does the constructor.
"""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, final

from veilmesh_node.errors import SurrogateRefusedError

if TYPE_CHECKING:
    from veilmesh_ml.release import Release


@final
@dataclass(frozen=True, slots=True, init=False)
class Surrogate:
    """An anonymized picture that withstood the release gate."""

    image: bytes = field(repr=False)  # PNG
    anonymizer: str
    parameters_sha256: str  # of the method's parameters
    gate_model_digest: str  # of the encoder that attacked it

    def __init__(self, released: "Release", *, gate_model_digest: str) -> None:
        """Take what the gate let out.

        Raises:
            TypeError: it is no `Release`.
            SurrogateRefusedError: it has no face, or one without a passed verdict.
        """
        from veilmesh_ml import encode_image  # noqa: PLC0415 - a node may lack the library
        from veilmesh_ml.release import Release  # noqa: PLC0415

        if type(released) is not Release:
            raise TypeError(f"a surrogate is made from a release, not from {type(released).__name__}")
        if not released.faces or not all(face.verdict.passed for face in released.faces):
            raise SurrogateRefusedError("the release gate did not pass every face")
        object.__setattr__(self, "image", encode_image(released.image))
        object.__setattr__(self, "anonymizer", released.method)
        object.__setattr__(self, "parameters_sha256", _digest(released))
        object.__setattr__(self, "gate_model_digest", gate_model_digest)


def _digest(released: "Release") -> str:
    """SHA-256 of each face's parameters, in order: JSON, keys sorted, numbers as Python writes them."""
    parameters = [dict(face.parameters) for face in released.faces]
    return sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
