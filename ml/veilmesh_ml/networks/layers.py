"""Layers that several networks share."""

import math

import torch
from torch import Tensor, nn


class SelfAttention(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Every place of a feature map looks at every other (S3, section 3.1.2).

    Q = X Wq, K = X Wk, V = X Wv; S = softmax(Q K^T / sqrt(d_k)); O = S V, in several heads. As in the
    self-attention GAN (Zhang et al. 2019) O is added to X with a weight that begins at 0, so that the
    convolutions learn first.
    """

    def __init__(self, channels: int, heads: int) -> None:
        """Channels: of the feature map, a multiple of `heads`."""
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.project = nn.Conv2d(channels, channels, 1)
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, places: Tensor) -> Tensor:
        """[batch, channels, height, width] -> the same."""
        _, channels, height, width = places.shape
        # one row per head and place: [batch, 3, heads, d_k, height * width]
        split = self.query_key_value(places).reshape(
            -1, 3, self.heads, channels // self.heads, height * width
        )
        query, key, value = split.unbind(1)
        likeness = query.transpose(2, 3) @ key / math.sqrt(channels // self.heads)  # [.., T, T]
        looked = value @ likeness.softmax(3).transpose(2, 3)  # [batch, heads, d_k, T]
        return places + self.share * self.project(looked.reshape(-1, channels, height, width))


def small_normal(module: nn.Module) -> None:
    """Draw convolutions' and linear layers' weights from N(0, 0.02^2) (Radford et al. 2016, section 4)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
