"""How well a classifier tells real from generated faces (S3, section 3.4, equations 8 to 11).

"Positive" is generated, as in S3. A generator is the better the less this works: of faces that nobody can
tell apart, half are told rightly and the area under the curve is .5.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.evaluate.rates import Rate
from veilmesh_ml.evaluate.small_cnn import Training, train_small_cnn

_HELD_OUT_ONE_IN = 5  # of those that teach


@dataclass(frozen=True, slots=True, eq=False)
class ToldApart:
    """Counts on faces that taught nothing.

    Attributes:
        real_scores: of real faces, (n,); what scores above 0 is called generated.
        generated_scores: of generated ones.
    """

    real_scores: NDArray[np.float64] = field(repr=False)
    generated_scores: NDArray[np.float64] = field(repr=False)

    @property
    def true_positives(self) -> int:
        return int((self.generated_scores > 0).sum())

    @property
    def false_positives(self) -> int:
        return int((self.real_scores > 0).sum())

    @property
    def precision(self) -> Rate:
        """Of those called generated, those that are."""
        return Rate(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> Rate:
        """Of the generated, those called so."""
        return Rate(self.true_positives, len(self.generated_scores))

    @property
    def accuracy(self) -> Rate:
        true_negatives = len(self.real_scores) - self.false_positives
        judged = len(self.real_scores) + len(self.generated_scores)
        return Rate(self.true_positives + true_negatives, judged)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 where nothing generated was called so."""
        called = self.true_positives + self.false_positives + len(self.generated_scores)
        return 2 * self.true_positives / called if called else 0.0

    @property
    def roc(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """False and true positive rates as the threshold falls, each rising from 0 to 1."""
        scores = np.unique(np.concatenate([self.real_scores, self.generated_scores]))[::-1]
        rates = [
            np.concatenate([[0.0], (each[:, np.newaxis] >= scores).mean(axis=0)])
            for each in (self.real_scores, self.generated_scores)
        ]
        return rates[0], rates[1]

    @property
    def auc(self) -> float:
        """How often a generated face scores above a real one, ties counting half."""
        real = np.sort(self.real_scores)
        below = np.searchsorted(real, self.generated_scores, "left")
        up_to = np.searchsorted(real, self.generated_scores, "right")
        return float((below + up_to).mean() / 2 / len(real))


def tell_apart(
    real: NDArray[np.uint8], generated: NDArray[np.uint8], training: Training | None = None
) -> ToldApart:
    """Teach a small network on every other face, and judge the rest.

    Args:
        real: uint8 (n, 32, 32, 3).
        generated: the same, as many or not.
        training: settings of the network.
    """
    taught = np.concatenate([real[::2], generated[::2]])
    targets = np.zeros((len(taught), 2), dtype=np.float32)
    targets[: len(real[::2]), 0] = targets[len(real[::2]) :, 1] = 1
    held_out = np.arange(len(taught)) % _HELD_OUT_ONE_IN == 0
    network = train_small_cnn(taught, targets, held_out, training)
    real_scores, generated_scores = (
        (found[:, 1] - found[:, 0]).astype(np.float64)
        for found in (network(real[1::2]), network(generated[1::2]))
    )
    return ToldApart(real_scores, generated_scores)
