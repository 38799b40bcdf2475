"""How PPSA-GAN is trained (S3, section 3.1.4 and algorithm 1).

Binary cross-entropy with smoothed labels (real: 1 - 0.1 u, generated: 0.1 u, u uniform), Adam, batches of
128, pictures from -1 to 1. Where this departs from algorithm 1:

- its line 14 lowers -log(1 - D(G(z))), by which the generator would help the critic; here it lowers
  -log D(G(z)) (Goodfellow et al. 2014, section 3);
- one draw of latents serves the critic and then the generator, where the paper draws twice;
- the learning rate, which it does not tell, is that of Radford et al. 2016, as is Adam's first beta.

32 px: the whole head, as S3 has it. 64 px: faces warped so that their landmarks lie at the mean shape, in the
frame of the bank of surrogates. What is generated then is a texture with known landmarks, which can be laid
onto a face as a donor's is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from veilmesh_ml.networks.ppsa import Critic, Generator, PpsaConfig, draw_latents
from veilmesh_ml.train.framed import framed
from veilmesh_ml.train.packed import Packed, PackedFaces, decode
from veilmesh_ml.train.pictures import from_network, sheet, shrunk, to_network
from veilmesh_ml.train.trainer import Batch, Compute, Losses, Model

_SHOWN: Final = 64


@dataclass(frozen=True, slots=True)
class PpsaTraining:
    """Attributes: as `PpsaConfig`; smoothing of the labels; kept by the average at each step."""

    size_px: int = 64
    batch: int = 128
    steps: int = 20_000
    seed: int = 0
    learning_rate: float = 2e-4
    first_beta: float = 0.5
    smoothing: float = 0.1
    averaging: float = 0.998


class PpsaRecipe:
    """Implements `Recipe`."""

    def __init__(self, config: PpsaTraining, packed: Packed, compute: Compute) -> None:
        faces, surrogates = packed.require_faces()
        self._config, self._compute = config, compute
        self._shape = PpsaConfig(config.size_px)
        chosen = np.flatnonzero(~faces.held_out)
        self._faces = training_pictures(faces, chosen, config.size_px, surrogates.mean_shape)
        generator, critic = (compute.place(network(self._shape)) for network in (Generator, Critic))
        self.modules: Mapping[str, Any] = {"generator": generator, "critic": critic}
        self.averaged: Mapping[str, float] = {"generator": config.averaging}
        betas = (config.first_beta, 0.999)
        self.optimizers: Mapping[str, Any] = {
            name: torch.optim.Adam(module.parameters(), config.learning_rate, betas)
            for name, module in self.modules.items()
        }

    def batch(self, random: np.random.Generator) -> Batch:
        """Faces, every other one mirrored on average, and latents."""
        count = self._config.batch
        faces = to_network(self._faces[random.integers(len(self._faces), size=count)])
        mirrored = torch.from_numpy(random.random(count) < 0.5)
        faces[mirrored] = faces[mirrored].flip(3)
        latents = random.standard_normal((count, self._shape.latent), dtype=np.float32)
        smoothing = (self._config.smoothing * random.random((2, count))).astype(np.float32)
        return {"faces": faces, "latents": torch.from_numpy(latents), "labels": torch.from_numpy(smoothing)}

    def step(self, batch: Batch, done: int) -> Losses:  # noqa: ARG002 (the protocol's)
        generator, critic = self.modules["generator"], self.modules["critic"]
        with self._compute.autocast():
            made = generator(batch["latents"])
            real, false = critic(batch["faces"]).float(), critic(made.detach()).float()
        off_real, off_false = batch["labels"]
        of_critic = functional.binary_cross_entropy_with_logits(
            real, 1 - off_real
        ) + functional.binary_cross_entropy_with_logits(false, off_false)
        _descend(self.optimizers["critic"], of_critic)
        with self._compute.autocast():
            judged = critic(made).float()
        of_generator = functional.softplus(-judged).mean()
        _descend(self.optimizers["generator"], of_generator)
        return {
            "critic": of_critic.detach(),
            "generator": of_generator.detach(),
            "real_passes": (real > 0).float().mean(),
            "false_passes": (false > 0).float().mean(),
        }

    def samples(self, averages: Mapping[str, Any]) -> NDArray[np.uint8]:
        """A sheet of generated faces, the same latents every time."""
        latents = draw_latents(self._shape, _SHOWN, torch.Generator().manual_seed(self._config.seed))
        made = averages["generator"](self._compute.place(latents))
        return sheet(from_network(made), columns=8)


def training_pictures(
    faces: PackedFaces, chosen: NDArray[np.intp], size_px: int, mean_shape: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Return these faces as the generator is to make them, uint8 (n, size_px, size_px, 3).

    Args:
        faces: to choose from.
        chosen: their indices.
        size_px: 32: the whole canvas; 64: warped to the mean shape.
        mean_shape: of the bank's frame, (77, 2).
    """
    if size_px == 32:
        return shrunk(decode([faces.pictures[index] for index in chosen]), size_px)
    return framed(faces, chosen, size_px, mean_shape)


def _descend(optimizer: Any, loss: Any) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


MODEL: Final = Model(PpsaTraining, PpsaRecipe)
