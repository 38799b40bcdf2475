"""Judges PPSA-GAN's generators by people held out: the Fréchet distance of dlib's features of both sets."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import torch

from veilmesh_ml.anonymizers.ppsa import SIDE_PX
from veilmesh_ml.errors import ModelError
from veilmesh_ml.evaluate.distributions import coverage, frechet_distance
from veilmesh_ml.evaluate.framed_faces import encode_framed
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.networks.ppsa import Generator, PpsaConfig, draw_latents
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.choose import Scored
from veilmesh_ml.train.framed import framed
from veilmesh_ml.train.packed import Packed
from veilmesh_ml.train.pictures import from_network

_MOST: Final = 600
_FEWEST: Final = 16
_METHOD: Final = b"veilmesh/judge/ppsa/1"


class PpsaJudge:
    """A `Judge`."""

    def __init__(self, packed: Packed, instruments: Instruments) -> None:
        """Look at faces held out.

        Raises:
            ModelError: there are too few.
        """
        faces, surrogates = packed.require_faces()
        held_out = np.flatnonzero(faces.held_out)
        chosen = held_out[:: max(1, len(held_out) // _MOST)][:_MOST]
        if len(chosen) < _FEWEST:
            raise ModelError(
                f"only {len(chosen)} faces are held out", hint="prepare the file with --held-out"
            )
        pictures = framed(faces, chosen, SIDE_PX, surrogates.mean_shape)
        self._engine = instruments.engine
        self._features = encode_framed(self._engine, pictures)
        digest = sha256(_METHOD + pictures.tobytes() + self._engine.model_digest.encode())
        self.digest = digest.hexdigest()

    def score(self, averages: Path) -> Mapping[str, float]:
        config = PpsaConfig(SIDE_PX)
        generator = read_module(averages, "generator", Generator(config)).eval()
        latents = draw_latents(config, len(self._features), torch.Generator().manual_seed(0))
        with torch.no_grad():
            drawn = np.concatenate([from_network(generator(part)) for part in latents.split(64)])
        features = encode_framed(self._engine, drawn)
        covered = coverage(self._features, features)
        return {
            "frechet": frechet_distance(self._features, features),
            "precision": covered.precision.value,
            "recall": covered.recall.value,
            "faces": len(features),
        }

    def best(self, scored: Sequence[Scored]) -> Scored:
        return min(scored, key=lambda one: (one.scores["frechet"], -one.step))
