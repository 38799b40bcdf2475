"""Judges autoencoders by the faces of people held out: how near what comes back is to what went in."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import torch

from veilmesh_ml.errors import ModelError
from veilmesh_ml.evaluate.instruments import Instruments
from veilmesh_ml.networks.autoencoder import SIDE_PX, Autoencoder, AutoencoderConfig
from veilmesh_ml.train.checkpoints import read_module
from veilmesh_ml.train.choose import Scored
from veilmesh_ml.train.packed import Packed, decode
from veilmesh_ml.train.pictures import shrunk, to_network

_METHOD: Final = b"veilmesh/judge/autoencoder/1"
_AT_ONCE: Final = 64


class AutoencoderJudge:
    """A `Judge`."""

    def __init__(self, packed: Packed, instruments: Instruments) -> None:  # noqa: ARG002 (as all judges)
        """Take the faces held out.

        Raises:
            ModelError: there are none.
        """
        faces, _ = packed.require_faces()
        held_out = np.flatnonzero(faces.held_out)
        if not len(held_out):
            raise ModelError("nobody is held out", hint="prepare the file with --held-out")
        pictures = shrunk(decode([faces.pictures[int(index)] for index in held_out]), SIDE_PX)
        self._faces = to_network(pictures)
        self.digest = sha256(_METHOD + pictures.tobytes()).hexdigest()

    def score(self, averages: Path) -> Mapping[str, float]:
        """Return the mean squared error, of values from 0 to 1."""
        network = read_module(averages, "autoencoder", Autoencoder(AutoencoderConfig())).eval()
        with torch.no_grad():
            errors = [
                ((network(part) - part) / 2).square().mean((1, 2, 3)) for part in self._faces.split(_AT_ONCE)
            ]
        return {"squared error": float(torch.cat(errors).mean())}

    def best(self, scored: Sequence[Scored]) -> Scored:
        return min(scored, key=lambda one: (one.scores["squared error"], -one.step))
