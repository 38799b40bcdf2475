"""How the autoencoder is trained: mean absolute error of the pixels, which S4 does not tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from veilmesh_ml.networks.autoencoder import SIDE_PX, Autoencoder, AutoencoderConfig
from veilmesh_ml.train.packed import Packed, decode
from veilmesh_ml.train.pictures import from_network, sheet, shrunk, to_network
from veilmesh_ml.train.trainer import Batch, Compute, Losses, Model

_SHOWN: Final = 32


@dataclass(frozen=True, slots=True)
class AutoencoderTraining:
    """Attributes: length of the code; kept by the average at each step."""

    code: int = 64
    batch: int = 64
    steps: int = 6_000
    seed: int = 0
    learning_rate: float = 1e-3
    averaging: float = 0.998


class AutoencoderRecipe:
    """Implements `Recipe`."""

    def __init__(self, config: AutoencoderTraining, packed: Packed, compute: Compute) -> None:
        faces, _ = packed.require_faces()
        self._config, self._compute = config, compute
        pictures = shrunk(decode(faces.pictures), SIDE_PX)
        self._faces = pictures[~faces.held_out]
        self._shown = to_network(pictures[faces.held_out][:_SHOWN])
        network = compute.place(Autoencoder(AutoencoderConfig(config.code)))
        self.modules: Mapping[str, Any] = {"autoencoder": network}
        self.averaged: Mapping[str, float] = {"autoencoder": config.averaging}
        self.optimizers: Mapping[str, Any] = {
            "autoencoder": torch.optim.Adam(network.parameters(), config.learning_rate)
        }

    def batch(self, random: np.random.Generator) -> Batch:
        """Faces, every other one mirrored on average."""
        faces = to_network(self._faces[random.integers(len(self._faces), size=self._config.batch)])
        mirrored = torch.from_numpy(random.random(len(faces)) < 0.5)
        faces[mirrored] = faces[mirrored].flip(3)
        return {"faces": faces}

    def step(self, batch: Batch, done: int) -> Losses:
        network, optimizer = self.modules["autoencoder"], self.optimizers["autoencoder"]
        for group in optimizer.param_groups:
            group["lr"] = self._config.learning_rate * (1 - done / self._config.steps)
        with self._compute.autocast():
            back = network(batch["faces"]).float()
        loss = (back - batch["faces"]).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"absolute_error": loss.detach()}

    def samples(self, averages: Mapping[str, Any]) -> NDArray[np.uint8]:
        """Faces held out, and beside each what comes back."""
        back = averages["autoencoder"](self._compute.place(self._shown)).float().cpu()
        return sheet(from_network(torch.stack([self._shown, back], dim=1).flatten(0, 1)), columns=8)


MODEL: Final = Model(AutoencoderTraining, AutoencoderRecipe)
