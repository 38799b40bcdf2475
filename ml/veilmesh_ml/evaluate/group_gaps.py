"""Figures per gender and group, and how far apart they are.

A method that hides some people better than others, or spoils some people's pictures more, shows it here. The
gap is the largest figure minus the smallest, of classes with enough comparisons or photos. Where there are
several classes the largest and smallest differ by luck as well: the interval does not allow for that.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from veilmesh_ml.evaluate.clustered_rate import ClusteredRate
from veilmesh_ml.evaluate.estimates import Estimate
from veilmesh_ml.evaluate.groups import CLASSES
from veilmesh_ml.evaluate.rates import Rate

FEWEST: Final = 20  # comparisons or photos of a class, for it to count in the gap


class Figure(Protocol):
    """Something measured, with its interval."""

    @property
    def value(self) -> float: ...

    @property
    def trials(self) -> int: ...

    @property
    def interval(self) -> tuple[float, float]: ...

    def document(self) -> Mapping[str, float | None]: ...


F = TypeVar("F", bound=Figure)


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest figure minus the smallest, and whose they are."""

    value: float
    interval: tuple[float, float]
    largest: str
    smallest: str

    @classmethod
    def between(cls, figures: Mapping[str, Figure]) -> Self | None:
        """Return None where fewer than two classes have enough.

        Source of the interval: Zou and Donner 2008, "construction of confidence limits about effect
        measures" (MOVER), equation 1; of proportions it is Newcombe's hybrid score interval.
        """
        enough = {
            name: figure
            for name, figure in figures.items()
            if figure.trials >= FEWEST and math.isfinite(figure.value)
        }
        if len(enough) < 2:
            return None
        largest = max(enough, key=lambda name: enough[name].value)
        smallest = min(enough, key=lambda name: enough[name].value)
        high, low = enough[largest], enough[smallest]
        apart = high.value - low.value
        below = math.hypot(high.value - high.interval[0], low.interval[1] - low.value)
        above = math.hypot(high.interval[1] - high.value, low.value - low.interval[0])
        return cls(apart, (apart - below, apart + above), largest, smallest)

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        low, high = self.interval
        return {
            "gap": self.value,
            "low": low,
            "high": high,
            "largest": self.largest,
            "smallest": self.smallest,
        }


@dataclass(frozen=True, slots=True)
class ByClass(Generic[F]):
    """One figure of every class of gender, or of group."""

    figures: Mapping[str, F]

    @property
    def gap(self) -> Gap | None:
        return Gap.between(self.figures)

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        gap = self.gap
        return {name: figure.document() for name, figure in self.figures.items()} | {
            "gap": None if gap is None else gap.document()
        }


ByLabel = Mapping[str, ByClass[F]]  # "gender" and "group"


def by_label(
    classes: Mapping[str, NDArray[np.int64]], figure_of: Callable[[NDArray[np.bool_]], F]
) -> ByLabel[F]:
    """Count each class by itself.

    Args:
        classes: "gender" and "group" of n items, (n,), each a place in `CLASSES`.
        figure_of: gets which of the items are meant, (n,).
    """
    return {
        label: ByClass({name: figure_of(numbers == place) for place, name in enumerate(CLASSES[label])})
        for label, numbers in classes.items()
    }


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Of one method.

    Attributes:
        reidentified: per judge, of mated comparisons of the output as it is, at the recalibrated threshold
            of all; of apparent classes.
        found: of labelled photos in which HOG finds the face, those in whose output it finds it again.
        nme: of those, as in `Utility`.
    """

    reidentified: Mapping[str, ByLabel[ClusteredRate]]
    found: ByLabel[Rate]
    nme: ByLabel[Estimate]

    def document(self) -> Mapping[str, Any]:
        """For a JSON report."""
        return {
            "reidentified": {judge: _documents(each) for judge, each in self.reidentified.items()},
            "found": _documents(self.found),
            "nme": _documents(self.nme),
        }


def _documents(figures: ByLabel[Any]) -> Mapping[str, Any]:
    return {label: each.document() for label, each in figures.items()}
