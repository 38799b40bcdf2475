"""How the style-based GAN is trained (Karras et al. 2019, 2020; see `networks.stylegan`).

Non-saturating logistic loss with R1 on real photos (2019, section 2.1), R1 only now and then and as much
stronger (2020, section 3.1); style mixing (2019, section 3.1); adaptive augmentation (see
`train.augmentation`); Adam without momentum. Where this departs:

- one draw of latents serves the critic and then the generator;
- no path length regularisation (2020, section 3.2): it costs a second derivative of the generator, and what
  it eases, projecting photos by descent, is not done here;
- R1 is of what the critic sees, after augmentation.

What is learnt are whole faces with a rim of hair and background (`synthesis.frame`), not warped to the mean
shape: variations are to differ in pose, and a gallery needs faces that detectors find. The anonymizer
brings a drawn face to the mean shape by its landmarks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from veilmesh_ml.networks.stylegan import Critic, StyleganConfig, Synthesis, draw_latents
from veilmesh_ml.networks.stylegan import Mapping as MappingNetwork
from veilmesh_ml.synthesis.frame import CROP, FACE_PX
from veilmesh_ml.train.augmentation import DRAWS, Augmentation
from veilmesh_ml.train.packed import Packed, decode
from veilmesh_ml.train.pictures import from_network, sheet
from veilmesh_ml.train.trainer import Batch, Compute, Losses, Model

_SHOWN: Final = 48
_MIXED: Final = 4  # faces whose styles are shown mixed, each with each
_TRUNCATION: Final = 0.7
_COARSE: Final = 3  # styles that act at 4 and 8 px


@dataclass(frozen=True, slots=True)
class StyleganTraining:
    """Attributes.

    mixing: share of faces made of two people's styles.
    penalty: gamma of R1; penalty_every: steps from one to the next.
    averaging, mean_style: kept by the averages at each step.
    images_to_full: of the augmentation.
    """

    batch: int = 32
    steps: int = 60_000
    seed: int = 0
    learning_rate: float = 2e-3
    mixing: float = 0.9
    penalty: float = 0.3
    penalty_every: int = 16
    averaging: float = 0.998
    mean_style: float = 0.998
    images_to_full: float = 200_000.0


class StyleganRecipe:
    """Implements `Recipe`."""

    def __init__(self, config: StyleganTraining, packed: Packed, compute: Compute) -> None:
        faces, _ = packed.require_faces()
        self._config, self._compute = config, compute
        self._shape = StyleganConfig()
        chosen = np.flatnonzero(~faces.held_out)
        self._faces = training_faces([faces.pictures[int(index)] for index in chosen])
        mapping, synthesis, critic = (
            compute.place(network(self._shape)) for network in (MappingNetwork, Synthesis, Critic)
        )
        self._augmentation = compute.place(Augmentation(config.images_to_full))
        self.modules: Mapping[str, Any] = {
            "mapping": mapping,
            "synthesis": synthesis,
            "critic": critic,
            "augmentation": self._augmentation,
        }
        self.averaged: Mapping[str, float] = dict.fromkeys(("mapping", "synthesis"), config.averaging)
        # Steps with R1 count as steps of their own (2020, appendix B).
        lazy = config.penalty_every / (config.penalty_every + 1)
        self.optimizers: Mapping[str, Any] = {
            "generator": torch.optim.Adam(
                [*mapping.parameters(), *synthesis.parameters()], config.learning_rate, (0.0, 0.99)
            ),
            "critic": torch.optim.Adam(critic.parameters(), config.learning_rate * lazy, (0.0, 0.99**lazy)),
        }

    def batch(self, random: np.random.Generator) -> Batch:
        """Faces, half of them mirrored; latents of two people each, and from where on the second's count."""
        count, shape = self._config.batch, self._shape
        faces = self._faces[random.integers(len(self._faces), size=count)]
        mirrored = random.random(count) < 0.5
        faces[mirrored] = faces[mirrored, :, ::-1]
        crossing = random.integers(1, shape.styles, size=count)
        crossing[random.random(count) >= self._config.mixing] = shape.styles
        return {
            "faces": faces,
            "latents": random.standard_normal((2, count, shape.latent), dtype=np.float32),
            "crossing": crossing,
            "noise": random.standard_normal((count, shape.noise), dtype=np.float32),
            "draws": random.random((3, count, DRAWS), dtype=np.float32),
        }

    def step(self, batch: Batch, done: int) -> Losses:
        real = batch["faces"].permute(0, 3, 1, 2).float() / 127.5 - 1
        augmented_real = self._augmentation(real, batch["draws"][0])
        with self._compute.autocast():
            made = self._made(batch)
        losses = self._judge(augmented_real, made.detach().float(), batch["draws"][1], done)
        critic = self.modules["critic"].requires_grad_(False)
        with self._compute.autocast():
            judged = critic(self._augmentation(made.float(), batch["draws"][2])).float()
        critic.requires_grad_(True)
        fooling = functional.softplus(-judged).mean()
        _descend(self.optimizers["generator"], fooling)
        return {**losses, "generator": fooling.detach(), "strength": self._augmentation.strength}

    def samples(self, averages: Mapping[str, Any]) -> NDArray[np.uint8]:
        """Drawn faces; below them, face by face, the coarse styles of one with the others of another."""
        drawn = draw_latents(self._shape, _SHOWN, torch.Generator().manual_seed(self._config.seed))
        latents, noise = map(self._compute.place, drawn)
        truncation = torch.full_like(latents[:, :1], _TRUNCATION)
        styles = averages["mapping"](latents, truncation)[:, None].repeat(1, self._shape.styles, 1)
        mixed = styles[:_MIXED].repeat(_MIXED, 1, 1)
        mixed[:, :_COARSE] = styles[:_MIXED, :_COARSE].repeat_interleave(_MIXED, 0)
        shown = torch.cat([styles, mixed]), torch.cat([noise, noise[: len(mixed)]])
        return sheet(from_network(averages["synthesis"](*shown)), columns=8)

    def _made(self, batch: Batch) -> Any:
        """Faces of two people's styles: the first's up to the crossing, from there on the second's."""
        mapping = self.modules["mapping"]
        one, other = mapping.styles(batch["latents"].flatten(0, 1)).unflatten(0, (2, -1))
        with torch.no_grad():
            mapping.mean_style.lerp_(one.float().mean(0), 1 - self._config.mean_style)
        own = torch.arange(self._shape.styles, device=one.device) < batch["crossing"][:, None]
        return self.modules["synthesis"](
            torch.where(own[..., None], one[:, None], other[:, None]), batch["noise"]
        )

    def _judge(self, real: Any, made: Any, draws: Any, done: int) -> dict[str, Any]:
        critic = self.modules["critic"]
        with self._compute.autocast():
            on_real, on_made = critic(real).float(), critic(self._augmentation(made, draws)).float()
        loss = functional.softplus(-on_real).mean() + functional.softplus(on_made).mean()
        _descend(self.optimizers["critic"], loss)
        losses = {"critic": loss.detach(), "real_sign": self._augmentation.follow(on_real)}
        if done % self._config.penalty_every == 0:
            seen = real.detach().requires_grad_()
            slope = torch.autograd.grad(critic(seen).sum(), seen, create_graph=True)[0]
            steep = slope.square().sum((1, 2, 3)).mean()
            strength = self._config.penalty / 2 * self._config.penalty_every
            _descend(self.optimizers["critic"], steep * strength)
            losses["slope"] = steep.detach()
        return losses


def training_faces(pictures: list[bytes]) -> NDArray[np.uint8]:
    """Return canvases as the generator is to make them, uint8 (n, FACE_PX, FACE_PX, 3).

    Args:
        pictures: as in `PackedFaces`, at least one.
    """
    made = np.empty((len(pictures), FACE_PX, FACE_PX, 3), dtype=np.uint8)
    for index, canvas in enumerate(map(decode, ([picture] for picture in pictures))):
        resized = Image.fromarray(canvas[0]).resize((FACE_PX, FACE_PX), Image.Resampling.BOX, box=CROP)
        made[index] = np.asarray(resized)
    return made


def _descend(optimizer: Any, loss: Any) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


MODEL: Final = Model(StyleganTraining, StyleganRecipe)
