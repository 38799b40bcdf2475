"""Judges style-based GANs by people held out: how near drawn faces are to theirs, in dlib's features."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import torch

from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.networks.stylegan import Mapping as MappingNetwork
from veilmesh_ml.networks.stylegan import StyleganConfig, Synthesis, draw_latents
from veilmesh_ml.synthesis.onlooker import enlarged, features_of
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.choose import Scored
from veilmesh_ml.train.judges.drawn_faces import nearest, nearness, some_held_out
from veilmesh_ml.train.packed import Packed
from veilmesh_ml.train.pictures import from_network
from veilmesh_ml.train.recipes.stylegan import training_faces

_METHOD: Final = b"veilmesh/judge/stylegan/1"


class StyleganJudge:
    """A `Judge`."""

    def __init__(self, packed: Packed, instruments: Instruments) -> None:
        """Look at faces held out.

        Raises:
            ModelError: there are too few.
        """
        faces, _ = packed.require_faces()
        pictures = training_faces([faces.pictures[int(index)] for index in some_held_out(faces)])
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
        found = [bool(self._engine.detect(enlarged(picture))) for picture in pictures]
        near = nearness(self._features, features_of(self._engine, pictures))
        return {**near, "found": float(np.mean(found))}

    def best(self, scored: Sequence[Scored]) -> Scored:
        return nearest(scored)
