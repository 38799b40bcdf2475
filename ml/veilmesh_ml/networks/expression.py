"""Which of seven expressions a face shows (S3, section 3.1.5 and algorithm 1, lines 30 to 35).

S3's classifier: a convolution of stride 1, ReLU and batch normalisation; four modules of convolutions in
turn; one more convolution; average pooling 2 x 2; dropout; two fully connected layers, the features between
them of length 512; softmax over seven classes. It leaves the channels open, and what a module is: here two
convolutions beside a short cut, the first three halving the side.
"""

from typing import Final

from torch import Tensor, nn

from veilmesh_ml.expressions import EXPRESSIONS, FEATURES

_CHANNELS: Final = (16, 32, 64, 96, 128)


class ExpressionClassifier(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Grey face to logits, in the order of `EXPRESSIONS`."""

    def __init__(self, dropout: float = 0.4) -> None:
        super().__init__()
        self.begin = _convolution(1, _CHANNELS[0])  # 48 x 48
        self.modules_in_turn = nn.Sequential(
            _Module(_CHANNELS[0], _CHANNELS[1], stride=2),  # 24 x 24
            _Module(_CHANNELS[1], _CHANNELS[2], stride=2),  # 12 x 12
            _Module(_CHANNELS[2], _CHANNELS[3], stride=2),  # 6 x 6
            _Module(_CHANNELS[3], _CHANNELS[4], stride=1),
        )
        self.end = nn.Sequential(_convolution(_CHANNELS[4], 128), nn.AvgPool2d(2))  # 3 x 3
        self.dropout = nn.Dropout(dropout)
        self.describe = nn.Sequential(nn.Linear(128 * 3 * 3, FEATURES), nn.ReLU())
        self.classify = nn.Linear(FEATURES, len(EXPRESSIONS))

    def features(self, faces: Tensor) -> Tensor:
        """[batch, 1, 48, 48], -1 to 1 -> [batch, 512]."""
        places = self.end(self.modules_in_turn(self.begin(faces)))
        return self.describe(self.dropout(places.flatten(1)))

    def forward(self, faces: Tensor) -> Tensor:
        """[batch, 1, 48, 48], -1 to 1 -> logits [batch, 7]."""
        return self.classify(self.dropout(self.features(faces)))


class DescribingClassifier(ExpressionClassifier):
    """The same network as it ships: it also gives what it judges by."""

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, 1, 48, 48], -1 to 1 -> logits [batch, 7], features [batch, 512]."""
        features = self.features(faces)
        return self.classify(self.dropout(features)), features


class _Module(nn.Module):  # type: ignore[misc]  # torch's classes have no types here
    """Two convolutions beside a short cut."""

    def __init__(self, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(_convolution(before, after, stride), _convolution(after, after))
        self.short_cut = nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(before, after, 1))

    def forward(self, places: Tensor) -> Tensor:
        """[batch, before, side, side] -> [batch, after, side / stride, side / stride]."""
        return self.convolutions(places) + self.short_cut(places)


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(after)
    )
