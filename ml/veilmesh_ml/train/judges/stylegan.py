"""Judges style-based GANs by people held out: how near drawn faces are to theirs, in dlib's features."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import torch

from veilmesh_ml.errors import ModelError
from veilmesh_ml.evaluate.distributions import coverage, frechet_distance
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.networks.stylegan import Mapping as MappingNetwork
from veilmesh_ml.networks.stylegan import StyleganConfig, Synthesis, draw_latents
from veilmesh_ml.synthesis.onlooker import enlarged, features_of
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.choose import Scored
from veilmesh_ml.train.packed import Packed
from veilmesh_ml.train.pictures import from_network
from veilmesh_ml.train.recipes.stylegan import training_faces

_MOST: Final = 600
_FEWEST: Final = 16
_METHOD: Final = b"veilmesh/judge/stylegan/1"


class StyleganJudge:
    """A `Judge`."""

    def __init__(self, packed: Packed, instruments: Instruments) -> None:
        """Look at faces held out.

        Raises:
            ModelError: there are too few.
        """
        faces, _ = packed.require_faces()
        held_out = np.flatnonzero(faces.held_out)
        chosen = held_out[:: max(1, len(held_out) // _MOST)][:_MOST]
        if len(chosen) < _FEWEST:
            raise ModelError(
                f"only {len(chosen)} faces are held out", hint="prepare the file with --held-out"
            )
        pictures = training_faces([faces.pictures[int(index)] for index in chosen])
        self._engine = instruments.engine
        self._features = features_of(self._engine, pictures)
        self.digest = sha256(_METHOD + pictures.tobytes() + self._engine.model_digest.encode()).hexdigest()

    def score(self, averages: Path) -> Mapping[str, float]:
        config = StyleganConfig()
        mapping = read_module(averages, "mapping", MappingNetwork(config))
        synthesis = read_module(averages, "synthesis", Synthesis(config))
        drawn = draw_latents(config, len(self._features), torch.Generator().manual_seed(0))
        parts = []
        with torch.no_grad():
            for latents, noise in zip(*(values.split(32) for values in drawn), strict=True):
                styles = mapping(latents, torch.ones(len(latents), 1))
                parts.append(from_network(synthesis(styles[:, None].expand(-1, config.styles, -1), noise)))
        pictures = np.concatenate(parts)
        features = features_of(self._engine, pictures)
        covered = coverage(self._features, features)
        found = [bool(self._engine.detect(enlarged(picture))) for picture in pictures]
        return {
            "frechet": frechet_distance(self._features, features),
            "precision": covered.precision.value,
            "recall": covered.recall.value,
            "found": float(np.mean(found)),
            "faces": len(features),
        }

    def best(self, scored: Sequence[Scored]) -> Scored:
        return min(scored, key=lambda one: (one.scores["frechet"], -one.step))
