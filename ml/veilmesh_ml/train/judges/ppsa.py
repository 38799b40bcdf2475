"""Judges PPSA-GAN's generators by people held out: the Fréchet distance of dlib's features of both sets."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import torch

from veilmesh_ml.anonymizers.ppsa import SIDE_PX
from veilmesh_ml.evaluate.framed_faces import encode_framed
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.networks.ppsa import Generator, PpsaConfig, draw_latents
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.choose import Scored
from veilmesh_ml.train.framed import framed
from veilmesh_ml.train.judges.drawn_faces import nearest, nearness, some_held_out
from veilmesh_ml.train.packed import Packed
from veilmesh_ml.train.pictures import from_network

_METHOD: Final = b"veilmesh/judge/ppsa/1"


class PpsaJudge:
    """A `Judge`."""

    def __init__(self, packed: Packed, instruments: Instruments) -> None:
        """Look at faces held out.

        Raises:
            ModelError: there are too few.
        """
        faces, surrogates = packed.require_faces()
        pictures = framed(faces, some_held_out(faces), SIDE_PX, surrogates.mean_shape)
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
        return nearness(self._features, encode_framed(self._engine, drawn))

    def best(self, scored: Sequence[Scored]) -> Scored:
        return nearest(scored)
