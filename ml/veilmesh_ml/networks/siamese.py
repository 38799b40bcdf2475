"""A siamese network: two photos of one person come out near each other (S2, section IV.A).

It guides the identity of what a generator paints. S2 leaves its form open; this one is small, for it runs in
every step. It sees the face alone: with hair and background it would learn these.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from torch import Tensor, nn
from torch.nn import functional

_ROWS: Final = slice(18, 114)  # of the canvas: where faces lie
_COLUMNS: Final = slice(16, 112)


@dataclass(frozen=True, slots=True)
class SiameseConfig:
    """Attributes: channels at 24, 12, 6 and 3 px; length of the embedding."""

    channels: tuple[int, int, int, int] = (32, 64, 128, 256)
    embedding: int = 128


class Siamese(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Face to embedding; of two embeddings the Euclidean distance counts."""

    def __init__(self, config: SiameseConfig) -> None:
        super().__init__()
        first = config.channels[0]
        self.begin = nn.Conv2d(3, first, 3, 2, 1)  # 24 x 24
        self.stages = nn.ModuleList(_Stage(before, after) for before, after in pairwise(config.channels))
        self.end = nn.Linear(config.channels[-1] * 3 * 3, config.embedding)

    def forward(self, faces: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return embeddings and the feature maps on the way to them.

        Args:
            faces: [batch, 3, 128, 128], -1 to 1, and 0 around the face.

        Returns:
            [batch, embedding]; [batch, channels, side, side] for sides 12, 6 and 3.
        """
        places = functional.leaky_relu(
            self.begin(functional.avg_pool2d(faces[:, :, _ROWS, _COLUMNS], 2)), 0.2
        )
        maps = []
        for stage in self.stages:
            places = stage(places)
            maps.append(places)
        return self.end(places.flatten(1)), maps


class _Stage(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Half the side: [batch, before, 2 n, 2 n] -> [batch, after, n, n]."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.halve = nn.Conv2d(before, after, 3, 2, 1)
        self.refine = nn.Conv2d(after, after, 3, 1, 1)

    def forward(self, places: Tensor) -> Tensor:
        halved = functional.leaky_relu(self.halve(places), 0.2)
        return halved + functional.leaky_relu(self.refine(halved), 0.2)
