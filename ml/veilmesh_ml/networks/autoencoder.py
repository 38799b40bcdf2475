"""A convolutional autoencoder: the face comes back through a bottleneck that is too narrow for its details.

The baseline "CAE" of S4's tables 2 and 3, of which S4 gives no more than the name. Here: four convolutions of
stride 2, a fully connected code, and the way back with transposed convolutions.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from torch import Tensor, nn

SIDE_PX: Final = 64
_CHANNELS: Final = (32, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """Attributes: length of the code, the bottleneck."""

    code: int = 64


class Autoencoder(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Face to face."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        downwards = (3, *_CHANNELS)
        self.encode = nn.Sequential(
            *(layer for before, after in pairwise(downwards) for layer in _halving(before, after)),
            nn.Flatten(),
            nn.Linear(_CHANNELS[-1] * 4 * 4, config.code),
        )
        upwards = _CHANNELS[::-1]
        self.begin = nn.Sequential(
            nn.Linear(config.code, upwards[0] * 4 * 4), nn.Unflatten(1, (upwards[0], 4, 4))
        )
        self.decode = nn.Sequential(
            *(layer for before, after in pairwise(upwards) for layer in _doubling(before, after)),
            nn.ConvTranspose2d(upwards[-1], 3, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, faces: Tensor) -> Tensor:
        """[batch, 3, 64, 64], -1 to 1 -> the same."""
        return self.decode(self.begin(self.encode(faces)))


def _halving(before: int, after: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.LeakyReLU(0.2)


def _doubling(before: int, after: int) -> tuple[nn.Module, ...]:
    convolution = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.ReLU()
