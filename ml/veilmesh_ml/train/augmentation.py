"""Adaptive augmentation: a critic that knows its few photos by heart sees them changed, more and more.

Every picture is, each with the probability `strength`, mirrored, shifted, made lighter or darker, given more
or less contrast and colour, and partly covered. All of it can be undone on average, so that the generator
does not learn to make changed faces as long as the strength stays below 0.8. The strength follows how often
the critic takes real photos for real, r_t = E[sign(D(real))], towards `TARGET`.

Source: Karras et al. 2020, Training generative adversarial networks with limited data, sections 2 and 3. Of
its transformations those that are cheap on a CPU; integer shifts, no rotation or scale.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn

TARGET: Final = 0.6  # section 3.1
DRAWS: Final = 14  # random numbers that a picture takes
_SHIFT: Final = 1 / 8  # of the side
_LIGHT, _CONTRAST, _COLOUR = 0.2, 0.5 * math.log(2), math.log(2)
_COVERED: Final = 0.5  # of the side
_MOST: Final = 0.8


class Augmentation(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """A module only so that its numbers are saved with the networks; nothing in it is learnt by descent."""

    def __init__(self, images_to_full: float) -> None:
        """Images to full: seen until the strength has gone from 0 to 1, if it only rises."""
        super().__init__()
        self._images_to_full = images_to_full
        self.register_buffer("strength", torch.zeros(()))

    def follow(self, judged_real: Tensor) -> Tensor:
        """Adjust the strength after the critic has judged real photos, [batch]; return their mean sign."""
        sign = judged_real.detach().float().sign().mean()
        step = (sign - TARGET).sign() * len(judged_real) / self._images_to_full
        self.strength.copy_((self.strength + step).clamp(0, _MOST))
        return sign

    def forward(self, pictures: Tensor, draws: Tensor) -> Tensor:
        """Change pictures, [b, 3, side, side], -1 to 1, by uniform random numbers, [b, DRAWS]."""
        happens = (draws[:, :6] < self.strength).float()
        moved = _moved(pictures, happens[:, 0] * (draws[:, 6] < 0.5), happens[:, 1:2] * (draws[:, 7:9] - 0.5))
        light, contrast, colour = ((draws[:, 9:12] * 2 - 1) * happens[:, 2:5])[:, :, None, None, None].unbind(
            1
        )
        recoloured = moved * (_CONTRAST * contrast).exp() + _LIGHT * light
        grey = recoloured.mean(1, keepdim=True)
        recoloured = grey + (recoloured - grey) * (_COLOUR * colour).exp()
        return recoloured * _uncovered(draws[:, 12:14], happens[:, 5], pictures.shape[2])


def _moved(pictures: Tensor, mirrored: Tensor, shifts: Tensor) -> Tensor:
    """Mirror where `mirrored`, [b], is 1; shift by [b, 2], -0.5 to 0.5; what comes in mirrors the edge."""
    side = pictures.shape[2]
    places = torch.arange(side, device=pictures.device)
    by_px = (shifts * 2 * _SHIFT * side).round().long()
    rows, columns = (_reflected(places + by_px[:, axis, None], side) for axis in range(2))  # [b, side]
    columns = torch.where(mirrored[:, None] > 0, side - 1 - columns, columns)
    across = columns[:, None, None].expand_as(pictures)
    down = rows[:, None, :, None].expand_as(pictures)
    return pictures.gather(2, down).gather(3, across)


def _reflected(places: Tensor, side: int) -> Tensor:
    return (side - 1 - (side - 1 - places.abs()).abs()).clamp(0, side - 1)


def _uncovered(centres: Tensor, happens: Tensor, side: int) -> Tensor:
    """0 inside the square that covers a picture, 1 elsewhere, [b, 1, side, side]."""
    places = (torch.arange(side, device=centres.device) + 0.5) / side
    within = ((places - centres[:, :, None]).abs() < _COVERED / 2).float()  # [b, 2, side]
    covered = within[:, 0, :, None] * within[:, 1, None, :] * happens[:, None, None]
    return 1 - covered[:, None]
