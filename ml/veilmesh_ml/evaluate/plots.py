"""Plots for reports, as SVG: figures are made directly, without pyplot and its list of open windows."""

import io
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from veilmesh_ml.evaluate.rates import DetCurve
from veilmesh_ml.evaluate.report import Plot

DET_TICKS = (1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.4)
_NORMAL = NormalDist()


def rendered(figure: Figure, caption: str) -> Plot:
    """Return a finished figure as SVG."""
    target = io.BytesIO()
    # Text as text keeps a plot small; the salt makes equal plots equal bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "veilmesh"}):
        figure.savefig(target, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return Plot(caption, "image/svg+xml", target.getvalue())


def det_plot(curves: Mapping[str, DetCurve], caption: str) -> Plot:
    """Draw detection error trade-off curves, named, on normal-deviate axes.

    On such axes two normal distributions give a straight line, and small errors have room.

    Source: Martin et al., The DET curve in assessment of detection task performance, Eurospeech 1997.
    """
    figure = Figure(figsize=(6.4, 5.2))
    axes = figure.add_subplot()
    for name, curve in curves.items():
        drawn = (curve.fmr > 0) & (curve.fmr < 1) & (curve.fnmr > 0) & (curve.fnmr < 1)
        axes.step(_deviates(curve.fmr[drawn]), _deviates(curve.fnmr[drawn]), where="post", label=name)
    _set_deviate_ticks(axes)
    axes.set_xlabel("FMR")
    axes.set_ylabel("FNMR")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return rendered(figure, caption)


def error_versus_reject_plot(
    rejected: Sequence[float], errors: Mapping[str, Sequence[float]], caption: str
) -> Plot:
    """Draw, per measure of quality, the error that is left when that share of the worst is rejected."""
    figure = Figure(figsize=(6.4, 4.4))
    axes = figure.add_subplot()
    for name, left in errors.items():
        axes.plot(rejected, left, label=name)
    axes.set_xlabel("share of comparisons rejected, worst quality first")
    axes.set_ylabel("FNMR of the rest")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return rendered(figure, caption)


def _deviates(rates: NDArray[np.float64]) -> list[float]:
    return [_NORMAL.inv_cdf(rate) for rate in rates]


def _set_deviate_ticks(axes: Axes) -> None:
    places, names = _deviates(np.array(DET_TICKS)), [f"{100 * tick:g} %" for tick in DET_TICKS]
    axes.set_xticks(places, names)
    axes.set_yticks(places, names)
    axes.set_xlim(places[0], places[-1])
    axes.set_ylim(places[0], places[-1])
