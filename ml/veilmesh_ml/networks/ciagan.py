"""CIAGAN: paints a face that is nobody's into a photo whose face was cut out (S2, sections II.D and II.F).

As in S2: background with the face masked and a landmark image go in, an encoder-decoder with an identity code
at its bottleneck paints, a critic with the least-squares loss judges, at 128 x 128. What S2 leaves open:

- the encoder hands its feature maps to the decoder (U-Net), so that hair and collar go on into the face;
- what is painted is a change to a prior picture, a face that is nobody's at these landmarks, bridged to the
  photo around it: colours and proportions are right before the first step;
- the decoder enlarges by interpolation, then convolves: a pixel shuffle weaves a pattern;
- the identity code modulates the bottleneck, and more weakly the next two sizes.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from veilmesh_ml.inpainting.codes import CODE
from veilmesh_ml.inpainting.conditions import SEEN


@dataclass(frozen=True, slots=True)
class CiaganConfig:
    """Channels at 128, 64, 32, 16 and 8 px, of the generator and of the critic (which has none at 128)."""

    generator: tuple[int, int, int, int, int] = (16, 32, 64, 128, 256)
    critic: tuple[int, int, int, int] = (24, 48, 96, 192)


class Generator(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """What is seen and a code to a canvas."""

    def __init__(self, config: CiaganConfig) -> None:
        super().__init__()
        at_128, at_64, at_32, at_16, at_8 = config.generator
        self.name = nn.Sequential(
            nn.Linear(CODE, CODE), nn.LeakyReLU(0.2), nn.Linear(CODE, CODE), nn.LeakyReLU(0.2)
        )
        # Encoder. The input's 2 x 2 pixels become channels: full resolution costs most and says least.
        self.begin = _convolution(4 * SEEN, at_64)  # 64 x 64
        self.down_32 = _Down(at_64, at_32)
        self.down_16 = _Down(at_32, at_16)
        self.down_8 = _convolution(at_16, at_8, stride=2)  # 8 x 8
        # Bottleneck.
        self.identify = nn.ModuleList(_Identify(at_8) for _ in range(2))
        # Decoder.
        self.up_16 = _Up(at_8, at_16, coded=True)
        self.up_32 = _Up(at_16, at_32, coded=True)
        self.up_64 = _Up(at_32, at_64, coded=False)
        self.refine_64 = _convolution(at_64, at_64)
        self.narrow = _convolution(at_64, at_128)
        self.refine_128 = _convolution(at_128 + SEEN, at_128)
        self.paint = _convolution(at_128, 3)
        with torch.no_grad():
            self.paint.weight.mul_(0.1)  # begin near the prior

    def forward(self, seen: Tensor, code: Tensor) -> Tensor:
        """Paint.

        Args:
            seen: [batch, 8, 128, 128]: photo (0 inside the mask), mask (0 or 1), lines, prior, all -1 to 1
                but the mask.
            code: [batch, 128], of length sqrt(128).

        Returns:
            [batch, 3, 128, 128], about -1 to 1; outside the mask about the photo.
        """
        identity = self.name(code)
        at_64 = _active(self.begin(functional.pixel_unshuffle(seen, 2)))
        at_32 = self.down_32(at_64)
        at_16 = self.down_16(at_32)
        places = _active(self.down_8(at_16))
        for block in self.identify:
            places = block(places, identity)
        places = self.up_16(places, at_16, identity)
        places = self.up_32(places, at_32, identity)
        places = self.up_64(places, at_64, identity)
        places = _active(self.narrow(_active(self.refine_64(places))))
        places = _active(self.refine_128(torch.cat([_doubled(places), seen], 1)))
        prior = seen[:, 5:]  # outside the mask it is the photo
        return prior + self.paint(places)


class Critic(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """How real a canvas looks, for every eighth pixel: [batch, 3 + 2, 128, 128] -> [batch, 1, 8, 8].

    It sees the mask and the lines too: a face elsewhere than asked for is not real. Spectral normalisation
    keeps it from judging by single pixels; the last layer has none, so that it can set canvases apart.
    """

    def __init__(self, config: CiaganConfig) -> None:
        super().__init__()
        sides = (5, *config.critic)
        self.stages = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, after, 4, 2, 1)) for before, after in pairwise(sides)
        )
        # The first stage sees colours as they are.
        self.normalise = nn.ModuleList([nn.Identity(), *(nn.GroupNorm(8, after) for after in sides[2:])])
        self.judge = nn.Conv2d(sides[-1], 1, 3, 1, 1)

    def forward(self, canvas: Tensor) -> Tensor:
        places = canvas
        for stage, normalise in zip(self.stages, self.normalise, strict=True):
            places = _active(normalise(stage(places)))
        return self.judge(places)


class _Down(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Half the side: [batch, before, 2 n, 2 n] -> [batch, after, n, n]."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.halve = _convolution(before, after, stride=2)
        self.refine = _convolution(after, after)

    def forward(self, places: Tensor) -> Tensor:
        return _active(self.refine(_active(self.halve(places))))


class _Up(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Twice the side, with what the encoder saw at that size.

    [batch, before, n, n], [batch, after, 2 n, 2 n] -> [batch, after, 2 n, 2 n]
    """

    def __init__(self, before: int, after: int, *, coded: bool) -> None:
        super().__init__()
        self.narrow = _convolution(before, after)
        self.refine = _convolution(after, after)
        self.modulate = _Modulate(after) if coded else None

    def forward(self, places: Tensor, skipped: Tensor, identity: Tensor) -> Tensor:
        together = _doubled(self.narrow(places)) + skipped
        if self.modulate is not None:
            together = self.modulate(together, identity)
        return _active(self.refine(_active(together)))


class _Identify(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """A residual block whose normalised channels are scaled and shifted by the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first_modulate, self.first = _Modulate(channels), _convolution(channels, channels)
        self.second_modulate, self.second = _Modulate(channels), _convolution(channels, channels)

    def forward(self, places: Tensor, identity: Tensor) -> Tensor:
        added = self.first(_active(self.first_modulate(places, identity)))
        return places + self.second(_active(self.second_modulate(added, identity)))


class _Modulate(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Normalise groups of channels, then scale and shift each by the identity (after AdaIN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.normalise = nn.GroupNorm(8, channels, affine=False)
        self.set = nn.Linear(CODE, 2 * channels)
        nn.init.normal_(self.set.weight, std=0.02)
        nn.init.zeros_(self.set.bias)

    def forward(self, places: Tensor, identity: Tensor) -> Tensor:
        scale, shift = self.set(identity)[:, :, None, None].chunk(2, 1)
        return self.normalise(places) * (1 + scale) + shift


def _convolution(before: int, after: int, *, stride: int = 1) -> nn.Conv2d:
    convolution = nn.Conv2d(before, after, 3, stride, 1)
    nn.init.kaiming_normal_(convolution.weight, a=0.2, nonlinearity="leaky_relu")
    nn.init.zeros_(convolution.bias)
    return convolution


def _active(places: Tensor) -> Tensor:
    return functional.leaky_relu(places, 0.2)


def _doubled(places: Tensor) -> Tensor:
    return functional.interpolate(places, scale_factor=2, mode="bilinear", align_corners=False)
