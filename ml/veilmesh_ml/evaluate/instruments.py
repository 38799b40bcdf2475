"""What an evaluation looks at faces with: one engine, detectors, and encoders that judge.

The engine's own encoder (dlib's) judges always; further ones come as ONNX files with a description beside
each, since an encoder that anonymizers were built against flatters them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from veilmesh_ml.comparison import Features
from veilmesh_ml.engine import Engine
from veilmesh_ml.face import Box, Face
from veilmesh_ml.fast.engine import FastEngine
from veilmesh_ml.image import RgbImage
from veilmesh_ml.onnx_encoder import OnnxEncoder

ENGINE_JUDGE = "dlib"  # name of the engine's own encoder in reports


class Judge(Protocol):
    """An encoder with its own way of aligning; features compare by Euclidean distance."""

    @property
    def digest(self) -> str: ...

    def align(self, image: RgbImage, face: Face) -> RgbImage:
        """Return the chip that it encodes: uint8 (side, side, 3)."""
        ...

    def encode(self, chips: Sequence[RgbImage]) -> Features:
        """Return float64 (n, d), in the chips' order."""
        ...


class EngineJudge:
    """The engine's encoder."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def digest(self) -> str:
        return self._engine.model_digest

    def align(self, image: RgbImage, face: Face) -> RgbImage:
        return self._engine.align(image, face)

    def encode(self, chips: Sequence[RgbImage]) -> Features:
        return self._engine.encode_chips(np.stack(chips)) if chips else np.empty((0, 128))


class OnnxJudge:
    """An encoder from a file."""

    def __init__(self, encoder: OnnxEncoder, engine: Engine) -> None:
        """Engine: cuts dlib's chips, for an encoder that takes these."""
        self._encoder, self._engine = encoder, engine

    @property
    def digest(self) -> str:
        return self._encoder.model_digest

    def align(self, image: RgbImage, face: Face) -> RgbImage:
        chip = self._engine.align(image, face) if self._encoder.wants_dlib_chip else None
        return self._encoder.align(image, face.landmarks, chip)

    def encode(self, chips: Sequence[RgbImage]) -> Features:
        return self._encoder.encode(chips)


@dataclass(frozen=True, slots=True, eq=False)
class Instruments:
    """An engine, and judges by name; "dlib" is always among them."""

    engine: FastEngine
    judges: Mapping[str, Judge] = field(repr=False)

    @classmethod
    def load(cls, attackers: Sequence[Path], threads: int = 1) -> "Instruments":
        """Load the fast engine and the attackers' encoders.

        Raises:
            ModelError: a model or description is missing or wrong.
        """
        engine = FastEngine(threads=threads)
        judges: dict[str, Judge] = {ENGINE_JUDGE: EngineJudge(engine)}
        for path in attackers:
            encoder = OnnxEncoder.load(path)
            judges[encoder.description.name] = OnnxJudge(encoder, engine)
        return cls(engine, judges)

    def find_by_mmod(self, image: RgbImage) -> list[Box]:
        """Find faces with dlib's other detector."""
        return [found.box for found in self.engine.detect_mmod(image)]
