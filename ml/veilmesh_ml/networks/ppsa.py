"""PPSA-GAN: faces from noise (S3, section 3.1, tables 1 and 2).

32 x 32 is the published size. 64 x 64 has one stage more on either side, everything else alike.

What S3 leaves open: the latent's length (here 128), where the self-attention lies ("on intermediate feature
maps": here on 16 x 16, the largest map whose places can all look at each other cheaply), its heads (here 4).
Its third transposed convolution is said to have no stride; from 16 x 16 to 32 x 32 it must have one of 2.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from veilmesh_ml.networks.layers import SelfAttention, small_normal

SIZES_PX: Final = (32, 64)


@dataclass(frozen=True, slots=True)
class PpsaConfig:
    """Attributes: side of the images, one of `SIZES_PX`; length of the latent; heads of the attention."""

    size_px: int = 32
    latent: int = 128
    heads: int = 4

    def __post_init__(self) -> None:
        if self.size_px not in SIZES_PX:
            raise ValueError(f"no PPSA-GAN of {self.size_px} px: there are {SIZES_PX}")


class Generator(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Latent to face (table 1): fully connected, then transposed convolutions with batch normalisation."""

    def __init__(self, config: PpsaConfig) -> None:
        super().__init__()
        self.latent = config.latent
        self.begin = nn.Linear(config.latent, 512 * 4 * 4)
        self.grow = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.ReLU(),
            *_growing(512, 256),  # 8 x 8
            *_growing(256, 128),  # 16 x 16
            SelfAttention(128, config.heads),
        )
        further = _growing(128, 64) if config.size_px == 64 else ()  # 32 x 32
        last = 64 if config.size_px == 64 else 128
        self.finish = nn.Sequential(*further, nn.ConvTranspose2d(last, 3, 4, stride=2, padding=1), nn.Tanh())
        self.apply(small_normal)

    def forward(self, latent: Tensor) -> Tensor:
        """[batch, latent], standard normal -> [batch, 3, size, size], -1 to 1."""
        places = self.begin(latent).reshape(-1, 512, 4, 4)
        return self.finish(self.grow(places))


class Critic(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Face to a logit, above 0 where it takes it for real (table 2)."""

    def __init__(self, config: PpsaConfig) -> None:
        super().__init__()
        channels = (32, 64, 128) if config.size_px == 32 else (32, 64, 128, 256)
        self.look = nn.Sequential(
            nn.Conv2d(3, channels[0], 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            *(layer for before, after in pairwise(channels) for layer in _shrinking(before, after)),
        )  # [batch, channels[-1], 4, 4]
        self.judge = nn.Linear(channels[-1] * 4 * 4, 1)
        self.apply(small_normal)

    def forward(self, faces: Tensor) -> Tensor:
        """[batch, 3, size, size] -> [batch]."""
        return self.judge(self.look(faces).flatten(1))[:, 0]


def _growing(before: int, after: int) -> tuple[nn.Module, ...]:
    """Twice the side."""
    convolution = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.ReLU()


def _shrinking(before: int, after: int) -> tuple[nn.Module, ...]:
    """Half the side."""
    convolution = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.LeakyReLU(0.2)


def draw_latents(config: PpsaConfig, count: int, generator: torch.Generator) -> Tensor:
    """Return standard normal latents, [count, latent]."""
    return torch.randn(count, config.latent, generator=generator, device=generator.device)
