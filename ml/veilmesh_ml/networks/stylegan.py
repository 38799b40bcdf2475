"""A small style-based GAN: faces of 64 x 64 from noise.

Karras et al. 2019 (doi 10.1109/CVPR.2019.00453): mapping network, styles, noise, truncation. Karras et al.
2020 (doi 10.1109/CVPR42600.2020.00813): modulation and demodulation of convolutions, skips to RGB, residual
critic. What makes it small enough for two CPU cores: 24 channels at 64 px, a latent of 128, four mapping
layers.

    styles = mapping(latents, truncation)[:, None].expand(-1, STYLES, -1)   # or of several people, mixed
    faces = synthesis(styles, noise)

Styles 0 to 2 act at 4 and 8 px (pose, outline), 3 to 6 at 16 and 32 px (features, expression), 7 to 9 at
64 px (colour, light): "coarse", "middle" and "fine" of section 3.1 of the first paper, at this size.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOPE: Final = 0.2
_GAIN: Final = math.sqrt(2)  # a leaky ReLU halves the variance, nearly
_GROUP: Final = 4  # pictures whose spread the critic sees together


@dataclass(frozen=True, slots=True)
class StyleganConfig:
    """Attributes: channels at 4, 8, 16, ... px; length of latents and styles; layers of the mapping."""

    channels: tuple[int, ...] = (256, 192, 96, 48, 24)
    latent: int = 128
    mapping_layers: int = 4

    @property
    def size_px(self) -> int:
        return int(2 ** (len(self.channels) + 1))

    @property
    def convolutions_px(self) -> tuple[int, ...]:
        """The side of what each convolution of the synthesis gives."""
        return (4, *(side for step in range(1, len(self.channels)) for side in 2 * (4 * 2**step,)))

    @property
    def styles(self) -> int:
        """One a convolution, and one for the last step to RGB."""
        return len(self.convolutions_px) + 1

    @property
    def noise(self) -> int:
        """How many numbers of noise a face takes: one a pixel of each convolution."""
        return sum(side**2 for side in self.convolutions_px)


class Linear(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Fully connected; weights of variance 1, scaled as they are used (Karras et al. 2018, section 4.1)."""

    def __init__(self, before: int, after: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        """Rate: how fast it learns, of the others' rate."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before) / rate)
        self.bias = nn.Parameter(torch.full((after,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(before), rate

    def forward(self, values: Tensor) -> Tensor:
        """[batch, before] -> [batch, after]."""
        return functional.linear(values, self.weight * self.scale, self.bias * self.rate)


class Convolution(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Square, the weights scaled as those of `Linear`; with `halve` blurred first, and every other pixel."""

    def __init__(self, before: int, after: int, side: int, *, bias: bool = True, halve: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, side, side))
        self.bias = nn.Parameter(torch.zeros(after)) if bias else None
        self.scale, self.side, self.halve = 1 / math.sqrt(before * side**2), side, halve

    def forward(self, places: Tensor) -> Tensor:
        """[batch, before, height, width] -> [batch, after, ...]."""
        weight = self.weight * self.scale
        if not self.halve:
            return functional.conv2d(places, weight, self.bias, padding=self.side // 2)
        if self.side == 1:
            return functional.conv2d(functional.avg_pool2d(places, 2), weight, self.bias)
        return functional.conv2d(blurred(places, margin=2), weight, self.bias, stride=2)


class Mapping(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Latents to styles (2019, section 2), drawn towards the mean style (appendix B)."""

    def __init__(self, config: StyleganConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Linear(config.latent, config.latent, rate=0.01) for _ in range(config.mapping_layers)
        )
        self.register_buffer("mean_style", torch.zeros(config.latent))

    def forward(self, latents: Tensor, truncation: Tensor) -> Tensor:
        """[batch, latent], standard normal, and [batch, 1], 1 for none -> [batch, latent]."""
        return self.mean_style + truncation * (self.styles(latents) - self.mean_style)

    def styles(self, latents: Tensor) -> Tensor:
        """Without truncation: [batch, latent] -> the same."""
        values = latents * torch.rsqrt(latents.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.layers:
            values = _active(layer(values))
        return values


class StyledConvolution(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Modulated and demodulated (2020, section 2.2); then noise, bias and leaky ReLU.

    Scaling the input by the style and the output by the demodulation is what scaling every picture's own
    weights would be (2020, appendix B), without a convolution for each picture.
    """

    def __init__(self, config: StyleganConfig, before: int, after: int, *, double: bool) -> None:
        super().__init__()
        self.style = Linear(config.latent, before, bias=1)
        self.weight = nn.Parameter(torch.randn(after, before, 3, 3))
        self.bias = nn.Parameter(torch.zeros(after))
        self.noise = nn.Parameter(torch.zeros(()))
        self.scale, self.double = 1 / math.sqrt(before * 9), double

    def forward(self, places: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """[b, before, h, w], [b, latent] and [b, 1, h', w'] -> [b, after, h', w']; h' is h or twice that."""
        scales = self.style(style)
        weight = self.weight * self.scale
        norms = torch.rsqrt(scales.square() @ weight.square().sum((2, 3)).T + 1e-8)  # [b, after]
        scaled = places * scales[:, :, None, None]
        if self.double:
            # [b, after, 2 h + 1, 2 w + 1]; three of four pixels put in are 0, hence the 4
            doubled = functional.conv_transpose2d(scaled, weight.transpose(0, 1), stride=2)
            convolved = blurred(doubled, margin=1) * 4
        else:
            convolved = functional.conv2d(scaled, weight, padding=1)
        return _active(convolved * norms[:, :, None, None] + self.noise * noise + self.bias[:, None, None])


class ToRgb(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """A modulated 1 x 1 convolution without demodulation (2020, figure 7)."""

    def __init__(self, config: StyleganConfig, before: int) -> None:
        super().__init__()
        self.style = Linear(config.latent, before, bias=1)
        self.weight = nn.Parameter(torch.randn(3, before, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.scale = 1 / math.sqrt(before)

    def forward(self, places: Tensor, style: Tensor) -> Tensor:
        """[b, before, h, w] and [b, latent] -> [b, 3, h, w]."""
        scaled = places * self.style(style)[:, :, None, None]
        return functional.conv2d(scaled, self.weight * self.scale, self.bias)


class Synthesis(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Styles and noise to a face; every size adds to the picture of the one before (2020, section 4.1)."""

    def __init__(self, config: StyleganConfig) -> None:
        super().__init__()
        self.sides = config.convolutions_px
        self.begin = nn.Parameter(torch.randn(1, config.channels[0], 4, 4))
        first = StyledConvolution(config, config.channels[0], config.channels[0], double=False)
        self.convolutions = nn.ModuleList([first])
        for before, after in pairwise(config.channels):
            self.convolutions.append(StyledConvolution(config, before, after, double=True))
            self.convolutions.append(StyledConvolution(config, after, after, double=False))
        self.to_rgb = nn.ModuleList(ToRgb(config, channels) for channels in config.channels)

    def forward(self, styles: Tensor, noise: Tensor) -> Tensor:
        """[b, styles, latent] and [b, noise], standard normal -> [b, 3, size, size], about -1 to 1."""
        planes = noise.split([side**2 for side in self.sides], 1)
        places = self.begin.expand(styles.shape[0], -1, -1, -1)
        picture = None
        for index, convolution in enumerate(self.convolutions):
            plane = planes[index].unflatten(1, (1, self.sides[index], self.sides[index]))
            places = convolution(places, styles[:, index], plane)
            if index % 2 == 0:  # the last of its size
                added = self.to_rgb[index // 2](places, styles[:, index + 1])
                picture = added if picture is None else _doubled(picture) + added
        return picture


class Critic(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Face to a logit, above 0 where it takes it for real; residual (2020, figure 7c)."""

    def __init__(self, config: StyleganConfig) -> None:
        super().__init__()
        shrinking = config.channels[::-1]  # of 64, 32, 16, 8, 4 px
        self.from_rgb = Convolution(3, shrinking[0], 1)
        self.blocks = nn.ModuleList(_CriticBlock(before, after) for before, after in pairwise(shrinking))
        last = shrinking[-1]
        self.look = Convolution(last + 1, last, 3)
        self.weigh = Linear(last * 4 * 4, last)
        self.judge = Linear(last, 1)

    def forward(self, faces: Tensor) -> Tensor:
        """[batch, 3, size, size] -> [batch]."""
        places = _active(self.from_rgb(faces))
        for block in self.blocks:
            places = block(places)
        seen = _active(self.look(_with_spread(places))).flatten(1)
        return self.judge(_active(self.weigh(seen)))[:, 0]


class _CriticBlock(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = Convolution(before, before, 3)
        self.second = Convolution(before, after, 3, halve=True)
        self.past = Convolution(before, after, 1, bias=False, halve=True)

    def forward(self, places: Tensor) -> Tensor:
        """[b, before, h, w] -> [b, after, h / 2, w / 2]."""
        through = _active(self.second(_active(self.first(places))))
        return (through + self.past(places)) / _GAIN


def blurred(places: Tensor, margin: int) -> Tensor:
    """Blur by 1 3 3 1 both ways (2020, section 2.1); sides grow by twice the margin less 3."""
    kernel = torch.tensor([1.0, 3.0, 3.0, 1.0], device=places.device, dtype=places.dtype) / 8
    channels = places.shape[1]
    both = (kernel[:, None] * kernel).expand(channels, 1, 4, 4)
    return functional.conv2d(places, both, padding=margin, groups=channels)


def draw_latents(config: StyleganConfig, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return latents, [count, latent], and noise, [count, noise]: standard normal."""
    options: dict[str, Any] = {"generator": generator, "device": generator.device}
    return torch.randn(count, config.latent, **options), torch.randn(count, config.noise, **options)


def _active(values: Tensor) -> Tensor:
    return functional.leaky_relu(values, _SLOPE) * _GAIN


def _doubled(picture: Tensor) -> Tensor:
    """Twice the side, by straight lines between pixels: 1 3 3 1 again."""
    return functional.interpolate(picture, scale_factor=2, mode="bilinear", align_corners=False)


def _with_spread(places: Tensor) -> Tensor:
    """Add a plane of how much the pictures of a group differ (Karras et al. 2018, section 3)."""
    batch, channels, height, width = places.shape
    group = math.gcd(batch, _GROUP)
    together = places.reshape(group, -1, channels, height, width)
    spread = (together.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))  # [batch / group]
    plane = spread.repeat(group)[:, None, None, None].expand(-1, 1, height, width)
    return torch.cat([places, plane], 1)
